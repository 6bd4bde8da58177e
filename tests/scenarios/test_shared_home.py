"""A server, libraries in threads and in processes: all of them write to one home."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from muster import ModelRegistry
from tests.servers import Server, surroundings
from tests.torture.proof import assert_nothing_is_lost, assert_sound, records
from tests.torture.writers import Noted, Writers

LIBRARY = """
import sys
from muster import ModelRegistry
home, who = sys.argv[1:]
with ModelRegistry(home) as registry:
    for at in range(25):
        print(registry.register_model(f"{who} n{at}", "v1", "d", "t"), flush=True)
"""


def library(home: Path, who: str, **settings: str) -> subprocess.Popen[str]:
    """A program that registers 25 models without a server, and says each that was acknowledged."""
    return subprocess.Popen(
        [sys.executable, "-c", LIBRARY, str(home), who],
        stdout=subprocess.PIPE,
        env=surroundings(**settings),
        text=True,
    )


def test_a_server_threads_and_processes_write_to_one_home_and_no_write_is_lost(tmp_path: Path) -> None:
    noted = Noted()
    with Server(tmp_path / "home") as server:
        processes = [library(server.home, f"process {each}") for each in range(2)]
        with ModelRegistry(server.home) as registry, ThreadPoolExecutor(16) as threads:
            written = [
                threads.submit(registry.register_model, f"thread {each}", "v1", "d", "t")
                for each in range(64)
            ]
            with Writers(server.url, noted) as writers:
                ours = {each.result(60) for each in written}
                theirs = {line.strip() for each in processes for line in each.communicate()[0].splitlines()}
                writers.more(1)
        assert [each.returncode for each in processes] == [0, 0]
        assert len(ours) == 64
        assert len(theirs) == 50
        assert server.register("last").status_code == 201
        assert ours | theirs <= records(server).keys()
        assert noted.refused == []
        server.kill()
        server.start()
        assert_nothing_is_lost(server, noted)


def test_processes_that_open_a_new_home_at_once_agree_on_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    processes = [library(home, f"process {each}") for each in range(3)]
    written = {line.strip() for each in processes for line in each.communicate()[0].splitlines()}
    assert [each.returncode for each in processes] == [0, 0, 0]
    with ModelRegistry(home) as registry:
        assert set(registry.list_models()) == written
    assert len(written) == 75
    assert_sound(home)


def test_what_a_killed_library_left_is_in_nobodys_way(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ModelRegistry(home) as registry:
        registry.register_model("first", "v1", "d", "t")
    (home / "registry.git/objects/pack/tmp_muster_1_a_pack").write_bytes(b"half")
    (home / "registry.git/refs/heads/main.lock").write_bytes(b"half")
    os.utime(home / "registry.git/refs/heads/main.lock", (0, 0))
    with ModelRegistry(home) as registry:
        registry.register_model("second", "v1", "d", "t")
        assert registry.list_models() == ["first_v1", "second_v1"]
    with Server(home) as server:
        assert list(records(server)) == ["first_v1", "second_v1"]
        assert_sound(home)


def test_the_folder_of_a_killed_library_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ModelRegistry(home):
        there = set((home / "run").glob("private-*"))
        other = library(home, "other", MUSTER_CRASH_AT="ref-moved:3")
        other.communicate()
        assert len(there) == 1
        assert set((home / "run").glob("private-*")) > there
        with Server(home):
            assert set((home / "run").glob("private-*")) == there
    assert not list((home / "run").glob("private-*"))


def test_a_library_killed_while_it_moved_the_branch_is_in_no_servers_way(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        for at, point in enumerate(("lock-written", "pack-synced", "folder-synced", "ref-moved")):
            process = library(server.home, f"library {at}", MUSTER_CRASH_AT=f"{point}:3")
            assert process.communicate()[0].split("\n")[:-1] == [f"library {at} n{n}_v1" for n in range(2)]
            assert server.register(f"after {point}").status_code == 201
        assert_sound(server.home, swept=False)


def test_a_lock_that_another_program_left_is_waited_for_half_a_minute(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        lock = server.home / "registry.git/refs/heads/main.lock"
        lock.write_bytes(b"half")
        refusal = server.register("m")
        assert (refusal.status_code, server.get("/models").json()["count"]) == (503, 0), refusal.text
        os.utime(lock, (0, 0))  # as then
        assert server.register("m").status_code == 201


def test_libraries_killed_beside_a_server_lose_nothing(tmp_path: Path) -> None:
    noted = Noted()
    with Server(tmp_path / "home") as server:
        said: list[str] = []
        with Writers(server.url, noted, 4) as writers:
            for each in range(3):
                process = library(server.home, f"library {each}")
                assert process.stdout is not None
                said += [process.stdout.readline().strip() for _ in range(3 + 2 * each)]
                process.kill()
                said += process.communicate()[0].split("\n")[:-1]
            writers.more(1)
        assert set(said) <= records(server).keys()
        assert noted.refused == []
        server.kill()
        server.start()
        assert_nothing_is_lost(server, noted)
