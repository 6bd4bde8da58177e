"""Run the benchmarks: all of them, or those named. Writes `docs/performance.md` when all ran in full."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks import browsing, deploying, guarding, proving, reading, writing
from benchmarks.figures import Figure, show, write

ALL: Final[Mapping[str, Callable[[Path, int], list[Figure]]]] = {
    "writes": writing.figures,
    "reads": reading.records,
    "rebuild": reading.rebuild,
    "past": reading.past,
    "access": guarding.figures,
    "proof": proving.figures,
    "pages": browsing.figures,
    "deployments": lambda folder, _: deploying.figures(folder),
}
MANY: Final = 100_000


def main() -> int:
    """The exit status is 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(ALL)}; all if none is given"
    )
    parser.add_argument("--many", type=int, default=MANY, help="versions and changes of a large registry")
    given = parser.parse_args()
    if unknown := set(given.names) - ALL.keys():
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    names = given.names or list(ALL)
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="muster-bench-", dir=Path.cwd()) as folder:
        for name in names:
            for figure in ALL[name](Path(folder), given.many):
                show(figure)
                found.append(figure)
    if names == list(ALL) and given.many == MANY:
        write(found, "make bench")
    return 0 if all(figure.met for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
