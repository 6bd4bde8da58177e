"""The index is derived: gone, of an earlier commit, or damaged, it changes no answer after the next start."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muster.bootstrap.server import verify
from muster.settings import load
from tests.torture.forked import Server
from tests.torture.proof import assert_sound
from tests.torture.scale import either, figure

pytestmark = pytest.mark.torture

VERSIONS = either(60, 10_000)

EVERYTHING_ELSE: tuple[tuple[str, str, dict[str, Any] | None, dict[str, str]], ...] = (
    ("PUT", "models/m4/aliases/champion", {"version": "v1"}, {}),
    ("PATCH", "models/m4/versions/v1", {"tags": {"n": None, "new": "ü %"}}, {}),
    ("PATCH", "models/m4", {"owner": "team-a", "tags": {"of": "everyone"}}, {}),
    ("PUT", "models/m5/versions/v1/stage", {"stage": "archived"}, {}),
    ("POST", "environments", {"name": "canary", "rank": 5}, {}),
    ("POST", "models/m6/versions", {"description": "by key"}, {"Idempotency-Key": "k1"}),
    ("DELETE", "models/m7/versions/v0", None, {}),
)


@dataclass(frozen=True)
class Told:
    """A server on a home whose story has every kind of change, its answers, and its index along the way."""

    server: Server
    before: dict[str, Any]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    with Server(folder / "home") as server:
        for at in range(VERSIONS):
            server.register(
                f"m{at % 20}", f"v{at // 20}", tags={"n": str(at)}, metrics={"auc": at / VERSIONS}
            )
        keep_index(server.home, folder / "early")
        for model_id, action in (
            *(("m1_v0", "deploy"), ("m1_v1", "deploy"), ("m2_v0", "deploy")),
            *(("m1_v1", "rollback"), ("m3_v0", "deploy")),
        ):
            assert server.post(f"/models/{model_id}/{action}", {"reason": "so it goes"}).status_code == 200
        keep_index(server.home, folder / "middle")
        for method, path, body, headers in EVERYTHING_ELSE:
            keep_index(server.home, folder / "late")
            answer = server.send(method, f"/api/v1/{path}", json=body, headers=headers)
            assert answer.status_code < 300, answer.text
        yield Told(server, answers(server))


def keep_index(home: Path, copy: Path) -> None:
    """The index as it is now, whole, while the server goes on."""
    with sqlite3.connect(home / "index.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()


def answers(server: Server) -> dict[str, Any]:
    """What a reader can learn, but for how long the server has been up."""
    asked = [
        *("/models?limit=1000", "/models?tag=n:7", "/models?stage=production", "/models?name=m4"),
        *(f"/models/m{at}_v1" for at in range(8)),
        *("/models/m1_v1/history", "/models/m7_v0", "/models/m7_v0/history"),
        *("/api/v1/models?limit=100", "/api/v1/models/m4", "/api/v1/models/m4/versions"),
        *("/api/v1/versions?order=-created_at&limit=30", "/api/v1/resolve?ref=m4@champion"),
        *("/api/v1/environments", "/api/v1/deployments", "/api/v1/deployments/production/m1"),
        *("/api/v1/changes?limit=200", "/api/v1/changes?model=m1", "/api/v1/changes?environment=production"),
    ]
    found = {path: (answer.status_code, answer.json()) for path in asked for answer in [server.get(path)]}
    for each in found["/api/v1/changes?limit=200"][1]["items"][::5]:
        at = each["commit"]
        for path in (f"/api/v1/changes/{at}", f"/api/v1/deployments?at={at}"):
            found[path] = (200, server.get(path).json())
    return found


def without(home: Path) -> None:
    for path in home.glob("index.db*"):
        path.unlink()


def as_at(moment: str) -> Callable[[Path], None]:
    def put_back(home: Path) -> None:
        without(home)
        shutil.copy(home.parent / moment, home / "index.db")

    return put_back


def in_nonsense(home: Path) -> None:
    without(home)
    (home / "index.db").write_bytes(b"nonsense" * 4096)


def cut_off(home: Path) -> None:
    whole = (home / "index.db").read_bytes()
    (home / "index.db").write_bytes(whole[: len(whole) // 2])


def overwritten(first: int, last: int) -> Callable[[Path], None]:
    """Its pages from `first` to `last` percent of the file."""

    def overwrite(home: Path) -> None:
        pages = (home / "index.db").stat().st_size // 4096
        with (home / "index.db").open("r+b") as file:
            file.seek(4096 * (pages * first // 100))
            file.write(b"\xff" * 4096 * (pages * (last - first) // 100))

    return overwrite


def of_another_registry(home: Path) -> None:
    without(home)
    with Server(home.with_name("other")) as other:
        other.register("another")
        assert other.stop() == 0
    shutil.copy(home.with_name("other") / "index.db", home / "index.db")


EVERY = {
    "deleted": without,
    "at an early commit": as_at("early"),
    "at a middle commit": as_at("middle"),
    "at a late commit": as_at("late"),
    "no database": in_nonsense,
    "cut off": cut_off,
    "overwritten at the front": overwritten(5, 20),
    "overwritten in the middle": overwritten(40, 60),
    "overwritten at the end": overwritten(80, 99),
    "another registry's": of_another_registry,
}
FEWER = ("deleted", "at an early commit", "at a late commit", "no database", "overwritten in the middle")
LEFT = either({name: EVERY[name] for name in FEWER}, EVERY)


@pytest.mark.parametrize("leave", [pytest.param(leave, id=name) for name, leave in LEFT.items()])
def test_whatever_becomes_of_the_index_every_answer_is_the_same(
    told: Told, leave: Callable[[Path], None]
) -> None:
    server = told.server
    assert server.stop() == 0
    with sqlite3.connect(server.home / "index.db") as index:
        index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    index.close()
    leave(server.home)
    server.start()
    figure(f"started in {server.started_in_s:.2f} s with {VERSIONS:,} versions")
    assert answers(server) == told.before
    method, path, body, headers = EVERYTHING_ELSE[5]
    again = server.send(method, f"/api/v1/{path}", json=body, headers=headers)
    assert (again.status_code, again.json()["number"]) == (201, VERSIONS // 20 + 1)
    assert_sound(server.home)


def test_verify_says_what_the_index_has_wrong(told: Told, tmp_path: Path) -> None:
    told.server.stop()
    shutil.copytree(told.server.home, tmp_path / "home")
    told.server.start()
    with sqlite3.connect(tmp_path / "home" / "index.db") as index:
        index.execute("DELETE FROM versions WHERE model = 'm1'")
    index.close()
    problems = verify(load({"home": str(tmp_path / "home")}, environment={}))
    assert problems
    assert all(problem.startswith("index: ") for problem in problems)
