"""Records of releases: `releases/<id>.json`, and the number of the last one.

    {
      "id": "R-00012",
      "environment": "production",
      "state": "made",                               or taken-back
      "parts": [
        {"model": "digits", "version": 2, "config": {…},
         "replaced": {"version": 1, "config": {…}}}  null: nothing was deployed
      ]
    }

Who made it, when and why is what the commits say that wrote it. `releases/last.json`
holds the number of the last one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from muster.domain import codec
from muster.domain.errors import Invalid, NotFound
from muster.domain.records import Config, Earlier, Json
from muster.domain.snapshot import Records

FOLDER: Final = "releases"
LAST: Final = f"{FOLDER}/last.json"
State = Literal["made", "taken-back"]
_ID: Final = re.compile(r"[Rr]-0*([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class ReleasePart:
    """What the release did for one model; `replaced` is how the version before it ran."""

    model: str
    version: int
    config: Config
    replaced: Earlier | None


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """Versions that were put into an environment at once."""

    id: str
    environment: str
    parts: tuple[ReleasePart, ...]
    state: State = "made"


def release_id(value: object, field: str = "release") -> str:
    """The id of a release, as it is kept; `R-12` will do for `R-00012`. Raises Invalid."""
    found = _ID.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Invalid.one(field, value, "must be a release's id, as in R-12")
    return f"R-{int(found[1]):05}"


def release_path(release: str) -> str:
    """The release's record in the repository."""
    return f"{FOLDER}/{release}.json"


def next_id(before: Records) -> tuple[str, bytes]:
    """The id of one more, and what `LAST` holds then."""
    data = before.document(LAST)
    number = (_number(codec.decode(data), LAST) if data is not None else 0) + 1
    return f"R-{number:05}", codec.encode({"last": number})


def _number(record: Mapping[str, Json], field: str) -> int:
    last = record.get("last")
    if not isinstance(last, int):
        raise Invalid.one(f"{field}.last", last, "must be a whole number")
    return last


def release_of(before: Records, release: str) -> ReleaseRecord:
    """The release of that id. Raises NotFound."""
    data = before.document(release_path(release))
    if data is None:
        raise NotFound("release", release)
    return from_bytes(data)


def to_dict(release: ReleaseRecord) -> dict[str, Json]:
    """It as plain values, in Git as in the API."""
    return {
        "id": release.id,
        "environment": release.environment,
        "state": release.state,
        "parts": [
            {
                "model": each.model,
                "version": each.version,
                "config": codec.config_to_dict(each.config),
                "replaced": _earlier(each.replaced),
            }
            for each in release.parts
        ],
    }


def _earlier(earlier: Earlier | None) -> Json:
    if earlier is None:
        return None
    return {"version": earlier.version, "config": codec.config_to_dict(earlier.config)}


def to_bytes(release: ReleaseRecord) -> bytes:
    """Its file."""
    return codec.encode(to_dict(release))


def from_bytes(data: bytes) -> ReleaseRecord:
    """The reverse of `to_bytes`.

    Raises:
        Invalid: it is none; what is missing or wrong is named.
    """
    record = codec.decode(data)
    try:
        if record["state"] not in ("made", "taken-back"):
            raise Invalid.one("state", record["state"], "must be made or taken-back")
        return ReleaseRecord(
            release_id(record["id"], "id"),
            record["environment"],
            tuple(_part(each) for each in record["parts"]),
            cast(State, record["state"]),
        )
    except KeyError as missing:
        raise Invalid.one(str(missing.args[0]), None, "must be there in a release") from None


def _part(record: Mapping[str, Json]) -> ReleasePart:
    replaced = record["replaced"]
    return ReleasePart(
        record["model"],
        record["version"],
        codec.config_from_dict(record["config"]),
        None
        if replaced is None
        else Earlier(replaced["version"], codec.config_from_dict(replaced["config"])),
    )
