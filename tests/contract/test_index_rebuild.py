"""An index rebuilt from nothing equals one that followed along, for any history."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.domain import changes as c
from muster.domain.views import Times
from muster.index.store import SqlIndex
from muster.index.texts import TEXTS
from muster.service.values import VersionFilter
from tests.builders import ADA, START, Story, a_config, an_artifact, an_environment, deploy, register

IMPORT = c.Actor("mover", "import")
MODELS = ("digits", "Ziffern ß", "a_b", "a")
ENVIRONMENTS = ("development", "staging", "production", "canary")

models = st.sampled_from(MODELS)
numbers = st.integers(1, 3)
environments = st.sampled_from(ENVIRONMENTS)
labels = st.sampled_from((None, "v1", "v2", "b_c", "c"))
tags = st.dictionaries(st.sampled_from(("team", "lang")), st.sampled_from(("x", "y")), max_size=2)
tag_updates = st.dictionaries(st.sampled_from(("team", "lang")), st.sampled_from(("x", None)), max_size=2)
metrics = st.dictionaries(st.sampled_from(("auc", "loss")), st.sampled_from((0.5, 1, -2.25)), max_size=2)
IMPORTED = {"created_at": "2020-02-02T00:00:00Z", "last_updated": "2020-02-03T00:00:00Z"}
imported = st.sampled_from((None, IMPORTED))
files = st.sampled_from(("model.onnx", "sub/a", "sub-b", "sub/c")).map(an_artifact)

data = st.sampled_from((None, "forms", {"name": "forms", "sha256": "12" * 32, "others": [{"uri": "s3://a"}]}))
words = st.sampled_from(("v1", "1", "2", "b_c"))
references = st.one_of(
    st.tuples(models, words).map("/".join),
    st.tuples(models, words).map("_".join),
    models.map("{}@champion".format),
    st.tuples(models, environments).map(":".join),
    st.just("renamed/1"),
)
bases = st.lists(
    st.one_of(
        references.map(lambda ref: {"ref": ref}),
        files.map(lambda file: {"uri": "hf://base", "digest": file.sha256}),
    ),
    max_size=2,
).map(tuple)

changes: st.SearchStrategy[c.Change] = st.one_of(
    st.builds(
        register,
        models,
        labels,
        tags=tags,
        metrics=metrics,
        pending=st.booleans(),
        imported=imported,
        number=st.one_of(st.none(), st.integers(1, 9)),
        owner=st.sampled_from((None, "ada")),
        training_data=data,
        bases=bases,
    ),
    st.builds(c.CreateModel, models, tags=tags, card=st.sampled_from((None, "# Card")), imported=imported),
    st.builds(c.UpdateModel, models, tags=tag_updates, card=st.sampled_from((c.UNSET, "# New"))),
    st.builds(c.UpdateVersion, models, numbers, tags=tag_updates, owner=st.sampled_from(("ada", None))),
    st.builds(c.TagModel, models, tag_updates),
    st.builds(
        c.RenameModel,
        models,
        st.one_of(models, st.just("renamed")),
        card=st.sampled_from(("", "# Card", "# New")),
    ),
    st.builds(c.SetStage, models, numbers, st.sampled_from(("staging", "production")), st.booleans()),
    st.builds(c.SetStage, models, numbers, st.just("archived")),
    st.builds(c.SetAlias, models, st.just("champion"), st.one_of(st.none(), numbers)),
    st.builds(c.AttachFile, models, numbers, files),
    st.builds(c.DetachFile, models, numbers, files.map(lambda file: file.path)),
    st.builds(c.Finalize, models, numbers, facts=data.map(lambda said: c.Facts(training_data=said))),
    st.builds(c.Ban, models, numbers),
    st.builds(c.LiftBan, models, numbers),
    st.builds(c.Purge, models, numbers),
    st.builds(c.RetractData, name=st.sampled_from(("forms", "letters"))),
    st.builds(c.ReinstateData, name=st.sampled_from(("forms", "letters"))),
    st.builds(c.DeleteVersion, models, numbers),
    st.builds(c.DeleteModel, models),
    st.builds(
        lambda name, rank, create: c.SetEnvironment(an_environment(name, rank=rank), create=create),
        environments,
        st.integers(0, 40),
        st.booleans(),
    ),
    st.builds(c.DeleteEnvironment, environments),
    st.builds(
        deploy, models, numbers, environments, config=st.integers(1, 2).map(lambda n: a_config(replicas=n))
    ),
    st.builds(c.RollBack, models, numbers, environments, empty=st.booleans()),
    st.builds(c.Undeploy, models, environments),
    st.builds(
        lambda environment, parts: c.Release(
            environment, tuple(deploy(model, number, environment) for model, number in parts)
        ),
        environments,
        st.lists(st.tuples(models, numbers), min_size=1, max_size=3, unique_by=lambda part: part[0]),
    ),
    st.builds(c.ReleaseBack, st.sampled_from(("R-00001", "R-00002")), st.booleans()),
    st.builds(c.AttemptFailed, models, numbers, environments, st.just("out of memory")),
    st.builds(c.Observe, models, environments, st.just("ready"), st.one_of(st.none(), numbers)),
    st.builds(c.Note, models, numbers, st.just("look here")),
)
batches = st.tuples(st.lists(changes, min_size=1, max_size=8), st.sampled_from((ADA, IMPORT)))
History = list[tuple[list[c.Change], c.Actor]]
histories: st.SearchStrategy[History] = st.lists(batches, min_size=1, max_size=12)

# An import shows other times than those of its changes.
LATER_TIMES = ("last_updated", "last_deployed", "last_rollback")

# Enough to work upon, so that fewer of the generated changes are refused.
PROLOGUE = (
    c.SetEnvironment(an_environment("canary", rank=15), create=True),
    *(register(model, label, metrics={"auc": 0.5}) for model in MODELS[:3] for label in ("v1", "v2")),
    *(register(model, "v3", pending=True, tags={"team": "x"}) for model in MODELS[:3]),
    *(c.AttachFile(model, 3, an_artifact("sub/a")) for model in MODELS[:2]),
    c.Finalize("digits", 3),
    c.AttachFile(MODELS[1], 3, an_artifact("sub-b")),
    c.DetachFile(MODELS[1], 3, "sub-b"),
    deploy("digits", 1),
    deploy("digits", 2),
    c.RollBack("digits", 2, "production"),
    deploy("digits", 2, "canary"),
    c.Release("staging", (deploy("digits", 1, "staging"), deploy(MODELS[1], 1, "staging"))),
    c.Release("staging", (deploy("digits", 2, "staging"), deploy(MODELS[1], 2, "staging"))),
)


@contextmanager
def two_files() -> Iterator[tuple[Path, Path]]:
    with TemporaryDirectory() as folder:
        yield Path(folder, "followed.db"), Path(folder, "rebuilt.db")


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table. Of the text indexes, that they agree with what they index."""
    connection = sqlite3.connect(path)
    try:
        for text in TEXTS:
            connection.execute(text.check)
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '*_text*'"
        ).fetchall()
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in names
        }
    finally:
        connection.close()


@given(histories)
@settings(deadline=None, max_examples=40)
def test_a_rebuilt_index_equals_one_that_followed_along(history: History) -> None:
    with two_files() as (followed_path, rebuilt_path):
        followed, rebuilt = SqlIndex(followed_path), SqlIndex(rebuilt_path)
        story = Story(followed).begin()
        story.do(*PROLOGUE)
        for batch, actor in history:
            story.batch(batch, skip_refused=True, actor=actor)
        story.retell(rebuilt)
        followed.close()
        rebuilt.close()
        assert rows(rebuilt_path) == rows(followed_path)


@given(histories, st.data())
@settings(deadline=None, max_examples=20)
def test_an_index_left_at_any_commit_catches_up_to_the_same(history: History, data: st.DataObject) -> None:
    with two_files() as (followed_path, late_path):
        followed, late = SqlIndex(followed_path), SqlIndex(late_path)
        story = Story(followed).begin()
        story.do(*PROLOGUE)
        for batch, actor in history:
            story.batch(batch, skip_refused=True, actor=actor)
        left_at = data.draw(st.integers(1, len(story.log)))
        story.until(left_at).retell(late)
        with late.transaction() as transaction:
            for (_, entry), edits in zip(story.log[left_at:], story.edits[left_at:], strict=True):
                transaction.project(entry, edits)
            transaction.seal([commit for commit, _ in story.log[left_at:]])
        followed.close()
        late.close()
        assert rows(late_path) == rows(followed_path)


@given(histories)
@settings(deadline=None, max_examples=20)
def test_the_past_is_told_as_it_was_when_it_was_the_present(history: History) -> None:
    index = SqlIndex(None)
    story = Story(index).begin()
    story.do(*PROLOGUE)
    told = []
    for batch, actor in history:
        story.batch(batch, skip_refused=True, actor=actor)
        told.append((len(story.log), now(index)))
    for position, present in told:
        assert past(index, position, present) == present
    index.close()


def now(index: SqlIndex) -> dict[object, object]:
    """What is deployed at present, and when models and live versions were made and changed."""
    said: dict[object, object] = {
        "placed": [(d.environment, d.model, d.version, by) for d, by in index.deployments()]
    }
    for model in MODELS:
        record = index.model_record(model)
        said[model] = record and Times(record[2], record[3])
    for found in index.versions(VersionFilter(), limit=100):
        view = json.loads(found.document)
        said[found.model, found.number] = tuple(map(view.get, LATER_TIMES[view.get("imported", False) :]))
    return said


def past(index: SqlIndex, position: int, asked: Mapping[object, object]) -> dict[object, object]:
    """The same, of a position in the log, for whatever is `asked`."""
    said: dict[object, object] = {}
    for what in asked:
        match what:
            case (str(model), int(number)):
                times = index.times_at(position, model, number)
                shown = LATER_TIMES[-len(cast(tuple[str | None, ...], asked[what])) :]
                said[what] = times and tuple(getattr(times, name) for name in shown)
            case "placed":
                placed = index.placed_at(position)
                said[what] = [(p.environment, p.model, p.number, p.by) for p in placed]
            case model:
                said[what] = index.model_times_at(position, str(model))
    return said


class TestRebuild:
    @pytest.fixture
    def index(self) -> Iterator[SqlIndex]:
        index = SqlIndex(None)
        yield index
        index.close()

    @pytest.fixture
    def story(self, index: SqlIndex) -> Story:
        story = Story(index).begin()
        story.do(register(), deploy())
        return story

    def test_replaces_everything_that_was_there(self, index: SqlIndex) -> None:
        Story(index).begin().do(register("old"))
        other = SqlIndex(None)
        told = Story(other).begin()
        told.do(register("new"))
        told.retell(index)
        other.close()
        assert [name for _, name in index.model_ids(VersionFilter(), limit=9)] == ["new_v1"]
        assert index.head() == told.head

    def test_goes_on_where_the_log_ends(self, index: SqlIndex, story: Story) -> None:
        story.retell(index)
        (logged,) = story.do(register(label="v2"))
        assert logged.position == 4
        assert index.find("digits_v2") is not None

    def test_that_fails_leaves_what_was_there(self, index: SqlIndex, story: Story) -> None:
        with pytest.raises(ValueError, match="the log ends at"):
            index.rebuild("f" * 40, story.log, story.in_tree_order())
        assert index.head() == story.head
        assert index.find("digits_v1") is not None

    @pytest.mark.parametrize("kind", ["register", "deploy"])
    def test_refuses_a_tree_that_the_log_does_not_explain(
        self, index: SqlIndex, story: Story, kind: str
    ) -> None:
        log = [(commit, entry) for commit, entry in story.log if entry.kind != kind]
        with pytest.raises(ValueError, match=r"nobody declared|no change"):
            index.rebuild(log[-1][0], log, story.in_tree_order())

    def test_refuses_a_tree_in_another_order(self, index: SqlIndex, story: Story) -> None:
        story.do(register(label="v2", pending=True), c.AttachFile("digits", 2, an_artifact()))
        with pytest.raises(ValueError, match="files without a version"):
            index.rebuild(story.head, story.log, reversed(story.in_tree_order()))

    def test_keeps_times_to_the_microsecond(self, index: SqlIndex, story: Story) -> None:
        story.time = START.replace(microsecond=123456, year=2027)
        story.do(register(label="v2"))
        story.retell(index)
        newest = index.newest()
        assert newest is not None
        assert newest.entry.time.microsecond == 123456
