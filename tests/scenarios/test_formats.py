"""Every release reads what every earlier one wrote: the stored registries, one per record format."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from muster.bootstrap import open_home
from muster.bootstrap.server import verify
from muster.domain.changes import Actor, RegisterVersion
from muster.settings import load
from tests.fixtures.make import HERE, NOTES, WEIGHTS, answers

FORMATS = sorted(path.stem for path in HERE.glob("format-*.bundle"))


def test_there_is_a_stored_registry_of_the_first_format() -> None:
    assert "format-1" in FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_a_registry_of_that_format_answers_as_it_did(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    bundle = str(HERE / f"{name}.bundle")
    subprocess.run(("git", "clone", "-q", "--bare", bundle, str(home / "registry.git")), check=True)
    settings = load({"home": str(home)}, environment={"PATH": "/usr/local/bin:/usr/bin:/bin"})
    with open_home(settings) as opened:
        assert answers(opened) == json.loads((HERE / f"{name}.json").read_text())
        for content in (WEIGHTS, NOTES):
            opened.storage.artifacts.put([content])
        change = RegisterVersion("ziffern erkennen", "v3.0")
        recorded = opened.registry.submit(change, Actor("ada")).result()
        assert recorded.number == 4
    assert verify(settings) == []
