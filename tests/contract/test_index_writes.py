"""The write transaction: batches, savepoints and seals; several writers; bad files and full disks."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from muster.domain import changes as c
from muster.domain.errors import Conflict, MusterError, StorageFull, Unavailable
from muster.domain.plan import plan
from muster.index import database
from muster.index.project import SqlTransaction
from muster.index.store import SqlIndex
from muster.service.ports import Transaction
from muster.service.values import ChangeFilter, VersionFilter
from tests.builders import START, Story, a_commit, an_entry, an_environment, deploy, project, register


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture
def index(path: Path) -> Iterator[SqlIndex]:
    index = SqlIndex(path)
    yield index
    index.close()


@pytest.fixture
def story(index: SqlIndex) -> Story:
    return Story(index).begin()


def fail_after_projecting(transaction: Transaction) -> None:
    with transaction.savepoint():
        project(transaction, register(), START.replace(year=2027))
        raise LookupError


def fail_after_reading(transaction: Transaction, time: datetime) -> None:
    with transaction.savepoint():
        project(transaction, c.UpdateVersion("digits", 1, tags={"a": "2"}), time)
        assert transaction.version_touched("digits", 1) == ""
        raise LookupError


def fill(transaction: Transaction) -> None:
    for n in range(100):
        with transaction.savepoint():
            project(transaction, register(label=f"v{n}", description="x" * 1000))


class TestTransaction:
    def test_plan_sees_what_the_batch_wrote_and_readers_do_not(self, index: SqlIndex, story: Story) -> None:
        with index.transaction() as transaction:
            time = START.replace(year=2027)
            position = project(transaction, register(), time, request=("key", "d" * 64))
            assert transaction.identified("digits_v1") == ("digits", 1)
            assert transaction.last_time() == time
            answered = transaction.answered("key")
            assert answered is not None
            assert (answered[0], answered[1].position) == ("d" * 64, position)
            assert index.find("digits_v1") is None
            assert index.newest() != answered[1]
            transaction.seal([a_commit(position)])
            assert transaction.head() == a_commit(position)
            assert index.head() == story.head
        assert index.head() == a_commit(position)
        assert index.find("digits_v1") is not None

    def test_what_is_kept_back_survives_a_refusal_that_had_it_written(
        self, index: SqlIndex, story: Story
    ) -> None:
        with index.transaction() as transaction:
            time = START.replace(year=2027)
            with transaction.savepoint():
                kept = project(transaction, register(tags={"a": "1"}, metrics={"auc": 0.5}), time)
            with pytest.raises(LookupError):
                fail_after_reading(transaction, time.replace(day=3))
            with transaction.savepoint():
                last = project(
                    transaction, c.UpdateVersion("digits", 1, tags={"b": "3"}), time.replace(day=4)
                )
            transaction.seal([a_commit(kept), a_commit(last)])
        assert [logged.commit for logged in index.changes(ChangeFilter(model="digits"), limit=9)] == [
            a_commit(last),
            a_commit(kept),
        ]
        for tags, count in (({"a": "1", "b": "3"}, 1), ({"a": "2"}, 0)):
            assert index.count_versions(VersionFilter(tags=tags)) == count

    def test_an_exception_undoes_all_of_it(self, index: SqlIndex, story: Story) -> None:
        with pytest.raises(Conflict):
            story.batch([register(), c.CreateModel("digits")])
        assert index.find("digits_v1") is None
        assert index.head() == story.head

    def test_a_refused_change_leaves_its_neighbours_alone(self, index: SqlIndex, story: Story) -> None:
        made = story.batch([register(), c.CreateModel("digits"), register(label="v2")], skip_refused=True)
        assert [logged.position for logged in made] == [2, 3]
        assert [name for _, name in index.model_ids(VersionFilter(), limit=9)] == ["digits_v1", "digits_v2"]
        assert index.count_versions(VersionFilter(text="digits")) == 2

    def test_what_fails_after_it_was_projected_leaves_no_trace(self, index: SqlIndex, story: Story) -> None:
        with index.transaction() as transaction:
            before = transaction.last_time()
            with pytest.raises(LookupError):
                fail_after_projecting(transaction)
            assert transaction.last_time() == before
            assert transaction.identified("digits_v1") is None
            transaction.seal([])
        story.do(register("later"))
        assert index.count_versions(VersionFilter(text="digits")) == 0
        newest = index.newest()
        assert newest is not None
        assert newest.position == 2

    def test_changes_without_their_commits_are_not_kept(self, index: SqlIndex, story: Story) -> None:
        with pytest.raises(ValueError, match="no commit"), index.transaction() as transaction:
            project(transaction, register())
        assert index.find("digits_v1") is None
        with pytest.raises(ValueError, match="1 commits for 0"), index.transaction() as transaction:
            transaction.seal(["a" * 40])

    def test_edits_of_another_model_are_refused(self, index: SqlIndex, story: Story) -> None:
        with index.snapshot() as now:
            mine, others = plan(register(), now), plan(register("other"), now)
        entry = an_entry(register(), mine, START)
        with pytest.raises(ValueError, match="not of the model"), index.transaction() as transaction:
            transaction.project(entry, others.edits)

    def test_touched_names_the_last_commit_and_nothing_in_the_batch_under_way(
        self, index: SqlIndex, story: Story
    ) -> None:
        made, placed = story.do(register(), deploy())
        (set_up,) = story.do(c.SetEnvironment(an_environment(), create=True))
        with index.snapshot() as now:
            assert now.model_touched("digits") == made.commit
            assert now.version_touched("digits", 1) == placed.commit
            assert now.deployment_touched("production", "digits") == placed.commit
            assert now.environment_touched("canary") == set_up.commit
            assert now.environment_touched("staging") == story.log[0][0]
            assert now.model_touched("other") is None
            assert now.version_touched("digits", 2) is None
            assert now.deployment_touched("staging", "digits") is None
            assert now.environment_touched("nowhere") is None
        with index.transaction() as transaction:
            position = project(transaction, c.RollBack("digits", 1, "production", empty=True))
            assert transaction.version_touched("digits", 1) == ""
            assert transaction.deployment_touched("production", "digits") == ""
            assert transaction.model_touched("digits") == made.commit
            transaction.seal([a_commit(position)])

    def test_a_snapshot_stays_while_others_write(self, index: SqlIndex, story: Story) -> None:
        with index.snapshot() as before:
            story.do(register())
            assert before.identified("digits_v1") is None
        with index.snapshot() as after:
            assert after.identified("digits_v1") == ("digits", 1)


class TestSharing:
    def test_two_objects_on_one_file_see_what_the_other_wrote(self, path: Path, index: SqlIndex) -> None:
        other = SqlIndex(path)
        story = Story(index).begin()
        story.do(register())
        assert other.find("digits_v1") == index.find("digits_v1")
        second = Story(other, time=story.time)
        (logged,) = second.do(register(label="v2"))
        assert logged.position == 3
        story.time = second.time
        (third,) = story.do(deploy(number=2))
        assert third.position == 4
        assert other.deployments()[0][1] == third
        other.close()

    def test_readers_go_on_while_a_writer_writes(self, index: SqlIndex, story: Story) -> None:
        done, seen, wrong = threading.Event(), list[int](), list[str]()

        def read() -> None:
            while not done.is_set():
                count = index.count_versions(VersionFilter())
                listed = len(index.changes(ChangeFilter(kinds=("register",)), limit=1000))
                if listed < count:
                    wrong.append(f"{count} versions, {listed} registrations")
                seen.append(count)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for batch in range(20):
            story.batch([register(label=f"v{batch}.{n}") for n in range(10)])
        done.set()
        for reader in readers:
            reader.join()
        assert wrong == []
        assert {count % 10 for count in seen} == {0}

    def test_writers_in_several_threads_take_turns(self, path: Path, index: SqlIndex, story: Story) -> None:
        other, failed = SqlIndex(path), list[Exception]()

        def write(into: SqlIndex, model: str) -> None:
            try:
                for number in range(10):
                    with into.transaction() as transaction:
                        position = project(transaction, register(model, f"v{number}"))
                        transaction.seal([a_commit(position)])
            except MusterError as error:
                failed.append(error)

        writers = [
            threading.Thread(target=write, args=(into, f"{name}-{n}"))
            for name, into in (("one", index), ("other", other))
            for n in range(2)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        other.close()
        assert failed == []
        assert index.count_versions(VersionFilter()) == 40
        newest = index.newest()
        assert newest is not None
        assert newest.position == 41


class TestFiles:
    def test_what_was_committed_is_there_after_closing(self, path: Path) -> None:
        first = SqlIndex(path)
        story = Story(first).begin()
        story.do(register())
        first.close()
        second = SqlIndex(path)
        assert second.head() == story.head
        assert second.find("digits_v1") is not None
        second.close()

    @pytest.mark.parametrize("damage", ["no database", "cut off", "another schema"])
    def test_a_file_that_cannot_be_used_is_as_good_as_none(self, path: Path, damage: str) -> None:
        index = SqlIndex(path)
        story = Story(index).begin()
        story.batch([register(label=f"v{n}") for n in range(200)])
        index.close()
        if damage == "no database":
            path.write_bytes(b"something else" * 1000)
        elif damage == "cut off":
            path.write_bytes(path.read_bytes()[:20_000])
        else:
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA user_version = 999")
            connection.close()
        again = SqlIndex(path)
        assert again.head() is None
        assert again.count_versions(VersionFilter()) == 0
        story.retell(again)
        assert again.head() == story.head
        assert again.count_versions(VersionFilter()) == 200
        again.close()

    def test_a_closed_index_says_so(self, path: Path) -> None:
        index = SqlIndex(path)
        index.close()
        with pytest.raises(Unavailable, match="closed"):
            index.head()
        with pytest.raises(Unavailable, match="closed"), index.transaction():
            pass

    def test_a_folder_that_is_not_there_is_named_as_the_cause(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match="cannot be opened"):
            SqlIndex(tmp_path / "nowhere" / "index.db")

    def test_without_a_path_nothing_stays_behind(self) -> None:
        index = SqlIndex(None)
        folder = index.path.parent
        Story(index).begin()
        assert folder.exists()
        index.close()
        assert not folder.exists()


class TestFailures:
    def test_a_full_disk_is_said_to_be_one_and_undoes_the_batch(self, path: Path, story: Story) -> None:
        connection = database.connect(path, cache_mib=1)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        connection.execute("BEGIN IMMEDIATE")
        transaction = SqlTransaction(connection)
        with pytest.raises(StorageFull):
            fill(transaction)
        database.rollback(connection)
        connection.close()
        assert story.index.count_versions(VersionFilter()) == 0
        story.do(register())

    def test_nothing_is_written_outside_of_a_transaction(self, path: Path, story: Story) -> None:
        connection = database.connect(path, cache_mib=1)
        transaction = SqlTransaction(connection)
        with pytest.raises(Unavailable, match="undid"):
            project(transaction, register())
        connection.close()

    def test_a_file_that_cannot_be_written_is_named_as_the_cause(self, path: Path, story: Story) -> None:
        connection = database.connect(path, cache_mib=1)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA query_only = ON")
        transaction = SqlTransaction(connection)
        with pytest.raises(Unavailable, match="read-only"):
            project(transaction, register())
        connection.close()


class TestDifferences:
    def test_an_index_agrees_with_its_rebuilt_self(self, index: SqlIndex, story: Story) -> None:
        story.do(register(), deploy(), c.SetAlias("digits", "champion", 1))
        fresh = SqlIndex(None)
        story.retell(fresh)
        assert index.differences(fresh) == []
        fresh.close()

    def test_each_table_that_differs_is_named_with_its_first_row(
        self, path: Path, index: SqlIndex, story: Story
    ) -> None:
        story.do(register(), register(label="v2"))
        fresh = SqlIndex(None)
        story.retell(fresh)
        connection = sqlite3.connect(path)
        connection.execute("UPDATE versions SET stage = 'archived' WHERE number = 2")
        connection.execute("DELETE FROM changes WHERE position = 1")
        connection.execute("INSERT INTO places VALUES ('production', 'ghost')")
        connection.commit()
        connection.close()
        assert index.differences(fresh) == [
            "1 of changes differ, first 1",
            "1 of places differ, first production, ghost",
            "1 of versions differ, first 3",
        ]
        fresh.close()

    def test_a_text_index_that_drifted_is_told(self, path: Path, index: SqlIndex, story: Story) -> None:
        story.do(register())
        fresh = SqlIndex(None)
        story.retell(fresh)
        connection = sqlite3.connect(path)
        connection.execute("INSERT INTO versions_text(versions_text) VALUES ('delete-all')")
        connection.commit()
        connection.close()
        (difference,) = index.differences(fresh)
        assert "text index" in difference
        fresh.close()
