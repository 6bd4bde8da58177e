"""Do requirements/*.txt still fit pyproject.toml, with hashes and without addresses?

Needs no network: it says when `make lock` was forgotten, not what is newest.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PIN = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;\\]+)(?P<rest>.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL
)


def group(project: dict[str, Any], name: str) -> Iterator[str]:
    for entry in project["dependency-groups"][name]:
        if isinstance(entry, dict):
            yield from group(project, entry["include-group"])
        else:
            yield entry


def objections(file: Path, wanted: list[str]) -> Iterator[str]:
    text = file.read_text()
    pins: dict[str, list[str]] = {}
    for pin in PIN.finditer(text):
        pins.setdefault(canonicalize_name(pin["name"]), []).append(pin["version"])
        if "--hash=sha256:" not in pin["rest"]:
            yield f"{file.name}: {pin['name']} has no hash"
    if re.search(r"://|--(extra-)?index|--find-links", text):
        yield f"{file.name}: holds an address; where packages come from is the machine's to say"
    for line in wanted:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name == "muster-registry":
            continue
        if name not in pins:
            yield f"{file.name}: {name} is not pinned"
        for version in pins.get(name, []):
            if not requirement.specifier.contains(version, prereleases=True):
                yield f"{file.name}: {name}=={version} does not fit {line!r}"


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    base = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"]
    wanted = {
        "dev.txt": [*base, *extras["server"], *extras["demo"], *extras["mlflow"], *group(project, "dev")],
        "server.txt": [*base, *extras["server"]],
        "lock.txt": [*group(project, "lock")],
    }
    found = [
        line for name, lines in wanted.items() for line in objections(ROOT / "requirements" / name, lines)
    ]
    for line in found:
        print(line)
    if found:
        print("`make lock` compiles the pins anew.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
