"""One live server for all tests of a file; each test uses names of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import Live, live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("home") / "registry") as running:
        yield running
