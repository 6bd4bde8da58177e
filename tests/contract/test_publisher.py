"""Commits are durable, whole, and in one line, whoever else writes and whenever the power goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import pytest

from muster.gitstore.builder_process import BuilderProcess
from muster.gitstore.history import GitHistory
from muster.gitstore.litter import sweep
from muster.gitstore.memory import MemoryGit
from muster.gitstore.repository import BRANCH, Repository
from muster.gitstore.store import CRASH_POINTS, GitStore
from muster.service.ports import Publisher
from muster.service.values import HeadMoved
from tests.repositories import Edits, a_commit, built, files, git, many, published


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "registry.git"


def in_git(home: Path) -> Publisher:
    return GitStore(Repository(home))


def in_memory(home: Path) -> Publisher:
    return MemoryGit()


@pytest.fixture
def beside(home: Path) -> Iterator[Publisher]:
    repository = Repository(home)
    builder = BuilderProcess(repository)
    yield GitStore(repository, builder=builder)
    builder.close()


@pytest.fixture(params=["in_git", "in_memory", "beside"])
def publisher(request: pytest.FixtureRequest, home: Path) -> Publisher:
    makers: Mapping[str, Callable[[Path], Publisher]] = {"in_git": in_git, "in_memory": in_memory}
    if request.param in makers:
        return makers[request.param](home)
    made: Publisher = request.getfixturevalue("beside")
    return made


def test_a_new_repository_has_no_head(publisher: Publisher) -> None:
    assert publisher.head() is None


def test_the_head_is_the_last_commit_published(publisher: Publisher) -> None:
    first = published(publisher, {"a": b"1"}, {"b": b"2"})
    assert publisher.head() == first[-1]
    second = published(publisher, {"a": None})
    assert publisher.head() == second[-1]


def test_what_is_built_is_nowhere_until_it_is_published(publisher: Publisher) -> None:
    built(publisher, None, [a_commit({"a": b"1"})])
    assert publisher.head() is None


def test_publishing_nothing_changes_nothing(publisher: Publisher) -> None:
    [head] = published(publisher, {"a": b"1"})
    publisher.publish(head, built(publisher, head, []))
    assert publisher.head() == head


def test_of_two_first_commits_only_one_is_published(publisher: Publisher) -> None:
    one = built(publisher, None, [a_commit({"a": b"1"})])
    other = built(publisher, None, [a_commit({"a": b"2"})])
    publisher.publish(None, one)
    with pytest.raises(HeadMoved):
        publisher.publish(None, other)
    assert publisher.head() == one.ids[-1]


def test_of_two_commits_upon_the_same_one_only_one_is_published(publisher: Publisher) -> None:
    [head] = published(publisher, {"a": b"1"})
    one = built(publisher, head, [a_commit({"a": b"2"})])
    other = built(publisher, head, [a_commit({"a": b"3"})])
    publisher.publish(head, one)
    with pytest.raises(HeadMoved):
        publisher.publish(head, other)
    assert publisher.head() == one.ids[-1]
    published(publisher, {"a": b"4"})


def test_a_commit_upon_one_that_is_missing_cannot_be_built(publisher: Publisher) -> None:
    with pytest.raises(OSError, match="missing"):
        built(publisher, "12" * 20, [a_commit({})])


def test_commits_built_elsewhere_are_not_published(publisher: Publisher) -> None:
    class Elsewhere:
        ids = ("12" * 20,)

    with pytest.raises(TypeError):
        publisher.publish(None, Elsewhere())


def test_every_back_end_gives_the_same_ids(publisher: Publisher) -> None:
    batches: list[list[Edits]] = [[many(300), {"a": b"1"}], [{"a": None, "b/c": b"2"}, {}]]
    expected = [published(memory, *batch) for memory in [MemoryGit()] for batch in batches]
    assert [published(publisher, *batch) for batch in batches] == expected


def test_git_reads_what_was_published(home: Path) -> None:
    publisher = in_git(home)
    published(publisher, {"a/b": b"1", "c": b"2"})
    published(publisher, {"a/b": None, "Größe/ü.json": b"3"})
    git(home, "fsck", "--strict")
    assert files(home, "HEAD") == {"c": b"2", "Größe/ü.json": b"3"}


def test_building_goes_by_the_parent_and_not_by_what_was_built_last(home: Path) -> None:
    publisher = in_git(home)
    [head] = published(publisher, {"a": b"1"})
    built(publisher, head, [a_commit({"lost": b"1"})])
    published(publisher, {"b": b"2"})
    assert files(home, BRANCH) == {"a": b"1", "b": b"2"}


def test_a_commit_that_was_made_by_git_can_be_built_upon(home: Path) -> None:
    publisher = in_git(home)
    [head] = published(publisher, {"a/b": b"1", "c": b"2"})
    tree = git(home, "mktree", given=git(home, "ls-tree", f"{head}:a")).decode().strip()
    author = ("-c", "user.name=bob", "-c", "user.email=bob")
    made = git(home, *author, "commit-tree", tree, "-p", head, "-m", "by hand").decode().strip()
    git(home, "update-ref", BRANCH, made, head)
    published(publisher, {"d": b"4"})
    assert files(home, BRANCH) == {"b": b"1", "d": b"4"}


def test_a_pack_that_is_there_already_is_no_obstacle(home: Path) -> None:
    [head] = published(in_git(home), {"a": b"1"})
    git(home, "update-ref", "-d", BRANCH)
    assert published(in_git(home), {"a": b"1"}) == [head]
    git(home, "fsck", "--strict")


def test_a_branch_that_another_program_locked_stays_where_it_is(home: Path) -> None:
    publisher = in_git(home)
    [head] = published(publisher, {"a": b"1"})
    lock = home / f"{BRANCH}.lock"
    lock.touch()
    with pytest.raises(OSError, match="could not be moved"):
        published(publisher, {"a": b"2"})
    assert publisher.head() == head
    lock.unlink()
    published(publisher, {"a": b"2"})


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel refuses to write more than that, as a full disk does."""
    before = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, before)


def test_a_disk_that_refuses_leaves_the_branch_and_no_litter(home: Path) -> None:
    publisher = in_git(home)
    [head] = published(publisher, {"a": b"1"})
    packs = sorted((home / "objects/pack").iterdir())
    with files_of_at_most(4096), pytest.raises(OSError):
        published(publisher, {"a": os.urandom(100_000)})
    assert publisher.head() == head
    assert sorted((home / "objects/pack").iterdir()) == packs
    published(publisher, {"a": b"2"})


DIES = """
import os, signal, sys
from pathlib import Path
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from tests.repositories import published

def crash(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

published(GitStore(Repository(Path(sys.argv[1])), crash), {"a": b"new"}, {"b": b"new"})
"""


def run(program: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
    )


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_crash_leaves_all_of_a_batch_or_nothing(home: Path, point: str) -> None:
    [head] = published(in_git(home), {"a": b"old"})
    assert run(DIES, str(home), point).wait() == -signal.SIGKILL

    repository = Repository(home)
    sweep(repository)
    if point == "ref-moved":
        assert files(home, BRANCH) == {"a": b"new", "b": b"new"}
    else:
        assert GitStore(repository).head() == head
    assert {path.suffix for path in repository.packs.iterdir()} == {".pack", ".idx"}
    published(GitStore(repository), {"c": b"next"})
    assert GitHistory(repository).fsck() == []


WRITES = """
import sys
from pathlib import Path
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from muster.service.values import HeadMoved
from tests.repositories import published

store = GitStore(Repository(Path(sys.argv[1])))
left = int(sys.argv[3])
while left:
    try:
        published(store, {f"{sys.argv[2]}/{left}": b"1", "shared": f"{sys.argv[2]} {left}".encode()})
        left -= 1
    except (HeadMoved, OSError):
        pass
"""


def test_processes_that_write_at_once_lose_nothing(home: Path) -> None:
    in_git(home)
    writers = [run(WRITES, str(home), name, "25") for name in ("one", "two")]
    assert [writer.wait() for writer in writers] == [0, 0]
    repository = Repository(home)
    assert len(files(home, BRANCH)) == 51
    assert len(git(home, "rev-list", BRANCH).split()) == 50
    assert GitHistory(repository).fsck() == []


READS = """
import sys
from pathlib import Path
from muster.gitstore.builder_process import BuilderProcess
from muster.gitstore.history import GitHistory
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from tests.repositories import many, published

repository = Repository(Path(sys.argv[1]))
store, history = GitStore(repository), GitHistory(repository)
published(store, many(400), {"a": b"1"})
assert len(list(history.walk(store.head()))) == 401
assert history.fsck() == []
"""


def test_the_users_git_configuration_has_no_effect(home: Path, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[core\nthis is no configuration")
    hostile = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "GIT_DIR": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.quotePath",
        "GIT_CONFIG_VALUE_0": "nonsense",
    }
    assert run(READS, str(home), **hostile).wait() == 0


def test_a_folder_that_is_no_repository_is_refused(home: Path) -> None:
    home.mkdir()
    (home / "HEAD").write_text("a text about heads")
    with pytest.raises(OSError, match="not a Git repository"):
        Repository(home)


def test_a_repack_by_hand_takes_nothing_of_what_is_written_beside_it(home: Path) -> None:
    publisher = in_git(home)
    published(publisher, many(50))
    over = threading.Event()

    def repack() -> None:
        while not over.is_set():
            git(home, "repack", "-a", "-d", "-q")

    by_hand = threading.Thread(target=repack)
    by_hand.start()
    for at in range(150):
        published(publisher, {f"beside/{at}": b"1"})
    over.set()
    by_hand.join()
    git(home, "fsck", "--strict")
    assert len(files(home, BRANCH)) == 200
    assert not list((home / "objects" / "pack").glob("*.keep"))
