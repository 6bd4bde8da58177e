"""What a backup says that it holds: read as it was written, and never believed blindly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from muster.backups.manifest import Kept, Manifest, Missing, Part, decoded
from muster.domain.errors import Invalid

PART = Part("history/x.bundle", "a" * 64, 7)
WHOLE = Manifest(
    made="2026-11-24T09:00:14.000123Z",
    head="b" * 40,
    refs={"refs/heads/main": "b" * 40},
    secrets=True,
    history=PART,
    files=(Part("files/cc/cc/c", "c" * 64, 0),),
    kept=(Kept("secrets/webhooks.json", 0o600, Part("kept/d", "d" * 64, 3)),),
    missing=(Missing("e" * 64, 9, ("models/ab/m/versions/1/files/ä",)),),
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert decoded(WHOLE.encoded()) == WHOLE


def test_everything_but_the_manifest_itself_is_among_its_parts() -> None:
    assert [part.size for part in WHOLE.parts()] == [7, 0, 3]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"format": 2}', b'{"format": 1}'])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid, match=r"manifest\.json"):
        decoded(content)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../outside", "secrets/../../outside", "", ".", "a\0b", 7, None]
)
@pytest.mark.parametrize("where", ["kept", "files"])
def test_no_path_leads_out_of_the_folder_that_it_is_put_in(where: str, path: Any) -> None:
    said = json.loads(WHOLE.encoded())
    said[where][0]["path" if where == "kept" else "place"] = path
    with pytest.raises(Invalid, match="path" if where == "kept" else "place"):
        decoded(json.dumps(said).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("head", "main"),
        ("head", None),
        ("refs", []),
        ("files", {}),
        ("kept", [1]),
        ("history", {"place": "x", "sha256": "short", "size": 1}),
        ("history", {"place": "x", "sha256": "a" * 64, "size": -1}),
        ("missing", [{"sha256": "a" * 64, "size": True}]),
        ("made", 5),
    ],
)
def test_a_field_of_another_form_is_named(field: str, value: Any) -> None:
    said = json.loads(WHOLE.encoded()) | {field: value}
    with pytest.raises(Invalid, match=r"manifest\.json: "):
        decoded(json.dumps(said).encode())
