"""The smaller records: JSON files that are read by their path, each with rules in a module of its own.

    access/…                                    accounts, teams, who has which role where
    policies/<policy>.json  requirements/…      rules that a person wrote
    proposals/<id>.json     decisions/<id>.json what waits, and what was judged by what
    bans/…  retractions/…  releases/…  reviews/…
    models/<hh>/<name>/access.json
    models/<hh>/<name>/versions/<n>/evaluations/<k>.json

They all have the same life: a change writes or removes some, its commit's trailers
`Muster-Record` name them, and the index keeps each with the last change of it. A new
kind of record needs no new table, and a plan reads it with `Snapshot.document`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

ROOTS: Final = frozenset(
    {
        "access",
        "bans",
        "decisions",
        "policies",
        "proposals",
        "releases",
        "requirements",
        "retractions",
        "reviews",
    }
)


def is_document(path: str) -> bool:
    """Whether a path in the repository is that of such a record."""
    match path.split("/"):
        case [root, _, *_] if root in ROOTS:
            return True
        case ["models", _, _, "access.json"] | ["models", _, _, "versions", _, "evaluations", _]:
            return True
    return False


def named(edits: Iterable[str]) -> tuple[str, ...]:
    """Those of the edited paths that are of such records, in order."""
    return tuple(sorted(path for path in edits if is_document(path)))
