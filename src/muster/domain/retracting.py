"""Data that should not have been used: what was trained on it is marked, and nothing new is.

    retractions/digests/<sha256>.json   {"sha256": …}
    retractions/names/<hh>/<name>.json  {"name": …}

Why, by whom and since when is said by the commit that wrote the record. A registration
that says the digest is refused. One that says but the name is not: other data may go by
the same name; it is marked as all those before it are (`service.tracing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from muster.domain import changes as c
from muster.domain import codec
from muster.domain.errors import Invalid, NotFound, Objection
from muster.domain.names import fan
from muster.domain.plan import plan
from muster.domain.records import Fields, Version
from muster.domain.snapshot import Plan, Snapshot

RETRACTIONS: Final = "retractions"
RULE: Final = "retracted-data"
_HELP: Final = "register what was trained without it, or have an admin take the retraction back"


def digest_retraction_path(sha256: str) -> str:
    """The record that says that the data with that digest is retracted."""
    return f"{RETRACTIONS}/digests/{sha256}.json"


def name_retraction_path(name: str) -> str:
    """The record that says that the data of that name is retracted."""
    return f"{RETRACTIONS}/names/{fan(name)}.json"


def data_sets(version: Version) -> Iterator[Fields]:
    """All that the version says it was trained on, one by one; words alone are a name."""
    said = version.training_data
    if isinstance(said, str):
        yield {"name": said}
    elif isinstance(said, Mapping):
        yield said
        yield from said.get("others", ())


def _about(change: c.RetractData | c.ReinstateData) -> tuple[str, str, bytes]:
    """What it is about, in words; the record's path and bytes. Raises Invalid."""
    if (change.sha256 is None) == (change.name is None):
        raise Invalid.one("of", None, "must be a sha256 or a name")
    if change.sha256 is not None:
        record = codec.encode({"sha256": change.sha256})
        return f"sha256:{change.sha256}", digest_retraction_path(change.sha256), record
    assert change.name is not None
    return change.name, name_retraction_path(change.name), codec.encode({"name": change.name})


@plan.register
def _(change: c.RetractData, before: Snapshot) -> Plan:
    what, path, record = _about(change)
    if before.document(path) is not None:
        return Plan("")
    return Plan(f"Retract the data {what}", edits={path: record})


@plan.register
def _(change: c.ReinstateData, before: Snapshot) -> Plan:
    what, path, _ = _about(change)
    if before.document(path) is None:
        raise NotFound("retraction", what)
    return Plan(f"Take back the retraction of the data {what}", edits={path: None})


def retracted_data(before: Snapshot, version: Version) -> Iterator[Objection]:
    """What is against registering `version`: data that is retracted by its digest."""
    for data in data_sets(version):
        sha256 = data.get("sha256")
        if sha256 is not None and before.document(digest_retraction_path(sha256)) is not None:
            by = next(reversed(before.document_log(digest_retraction_path(sha256))), None)
            said = f"the data sha256:{sha256} is retracted"
            if by is not None:
                said += f" by {by.actor}" + (f": {by.reason}" if by.reason else "")
            yield Objection(RULE, said, _HELP)
