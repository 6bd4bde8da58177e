"""What must hold after a crash: nothing acknowledged is lost, nothing half done is visible."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from muster.bootstrap.server import verify
from muster.settings import load
from tests.repositories import git
from tests.servers import SMALL, Server, processes_of
from tests.torture.writers import Noted

GONE_WITHIN_S = 10


def assert_nothing_is_lost(server: Server, noted: Noted) -> None:
    """What was acknowledged is there; what is there is whole, and Git says the same."""
    commits = commits_of(server.home)
    listed = records(server)
    assert noted.registered.keys() <= listed.keys()
    assert set(noted.registered.values()) <= set(commits)
    for model_id, record in listed.items():
        assert record["tags"] == ({"of": record["name"]} if record["name"].startswith("r") else {})
        allowed = {noted.described.get(model_id, "d")} | noted.asked.get(model_id, set())
        assert record["description"] in allowed, model_id
    registered = [commit for commit, subject in commits.items() if subject.startswith("Register ")]
    assert len(registered) == len(listed)
    assert_sound(server.home)


def assert_sound(home: Path, *, swept: bool = True) -> None:
    """Git is whole, its history a line, and `muster verify` (with `git fsck --strict`) finds nothing.

    `swept` says that a server has started since the last kill, so that no litter may be left.
    """
    environment = {name: value for name, value in SMALL.items() if name.startswith("MUSTER_")}
    assert verify(load({"home": str(home)}, environment=environment)) == []
    assert git(home / "registry.git", "rev-list", "--min-parents=2", "main") == b""
    if not swept:
        return
    litter = [*home.rglob("*.lock"), *home.rglob("tmp_*"), *(home / "registry.git/lfs/tmp").iterdir()]
    assert [path for path in litter if path.parent != home / "run"] == []


def assert_no_process_stays(home: Path) -> None:
    """A few seconds after the server's end nothing works on its home any more."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := processes_of(home):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


def commits_of(home: Path) -> dict[str, str]:
    """Subject by commit, newest first."""
    said = git(home / "registry.git", "log", "--format=%H %s", "main").decode()
    return dict(line.split(" ", 1) for line in said.splitlines())


def records(server: Server) -> dict[str, Any]:
    """Every version by its model id, each read by itself as the list names it."""
    found: dict[str, Any] = {}
    after: str | None = None
    while True:
        page = server.get("/models", params={"after": after} if after else {}).json()
        for model_id in page["models"]:
            answer = server.get(f"/models/{model_id}")
            assert answer.status_code == 200, model_id
            found[model_id] = answer.json()
        after = page.get("next")
        if after is None:
            assert page["count"] == len(found)
            return found
