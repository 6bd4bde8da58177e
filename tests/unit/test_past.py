"""Any past moment, by time or commit: what was there, what was declared, what a change did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from muster.domain import changes as c
from muster.domain.errors import Invalid, NotFound
from muster.domain.messages import rfc3339
from muster.service.past import FieldChange, Past, moment
from tests.builders import START, an_artifact, an_environment, deploy, register
from tests.unit.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A minute lies between any two changes."""
    world = World(tmp_path).begin()
    yield world
    world.close()


def tell(world: World, *changes: c.Change) -> str:
    """The commit of the last of the changes."""
    commit = None
    for change in changes:
        world.clock.forward(minutes=1)
        commit = world.do(change).commit
    assert commit is not None
    return commit


class TestMoments:
    @pytest.mark.parametrize(
        ("text", "time"),
        [
            ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
            ("2026-01-31T12:00:00.000001+02:00", datetime(2026, 1, 31, 10, 0, 0, 1, tzinfo=UTC)),
            ("2026-01-31T12:00:00 02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),  # a plus, as a URL says it
            (rfc3339(START), START),
        ],
    )
    def test_one_is_a_time_with_its_offset(self, text: str, time: datetime) -> None:
        assert moment(text) == time

    @pytest.mark.parametrize(
        "text",
        [
            *("", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "12:00Z", "\0"),
            *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1e400", "2026-01-31T12:00:00+99:99"),
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(Invalid) as refused:
            moment(text)
        assert refused.value.problems[0].field == "at"

    def test_a_time_means_the_last_change_at_or_before_it(self, world: World) -> None:
        first = tell(world, register("m", "v1"))
        at = world.clock.now
        second = tell(world, register("m", "v2"))
        assert world.past.at(rfc3339(at)).commit == first
        world.clock.forward(hours=1)
        assert world.past.at(rfc3339(world.clock.now)).commit == second

    def test_a_commit_or_the_beginning_of_one_means_itself(self, world: World) -> None:
        first = tell(world, register("m", "v1"))
        tell(world, register("m", "v2"))
        assert world.past.at(first).commit == world.past.at(first[:10]).commit == first

    def test_before_the_beginning_there_was_nothing(self, world: World) -> None:
        for text in ("2001-01-01T00:00:00Z", "0" * 40, "abcdef0"):
            with pytest.raises(NotFound):
                world.past.at(text)


class TestRecords:
    def test_a_version_is_as_it_was_then(self, world: World) -> None:
        first = tell(world, register("m", "v1", tags={"a": "1"}))
        placed = tell(world, deploy("m"))
        tell(
            world, c.UpdateVersion("m", 1, tags={"a": "2"}, description="new"), c.Undeploy("m", "production")
        )
        past: Past = world.past
        then = past.version_record(past.at(first), "m", 1)
        assert (then["tags"], then["deployment_status"], then["deployed_in"]) == (
            {"a": "1"},
            "development",
            [],
        )
        assert "last_deployed" not in then
        later = past.version_record(past.at(placed), "m", 1)
        assert (later["deployment_status"], later["deployed_in"]) == ("production", ["production"])
        assert later["created_at"] == then["created_at"]
        assert later["last_deployed"] == later["last_updated"]

    def test_the_present_seen_as_a_past_moment_is_the_present(self, world: World) -> None:
        number = world.put("m", "v1")
        tell(
            world, register("m", "v2"), deploy("m", number), deploy("m", 2), c.RollBack("m", 2, "production")
        )
        tell(world, c.UpdateModel("m", description="d", card="# M\n"), c.SetAlias("m", "best", 2))
        now = world.past.at(str(world.git.head()))
        for number in (1, 2):
            model_id = f"m_v{number}"
            assert world.past.version_record(now, "m", number) == world.registry.record(model_id)
        assert world.past.model_record(now, "m") == world.registry.model("m")[0]

    def test_files_are_those_of_then(self, world: World) -> None:
        attached = tell(
            world,
            register("m", "v1", pending=True),
            c.AttachFile("m", 1, an_artifact("a/x", b"1")),
            c.AttachFile("m", 1, an_artifact("b", b"2")),
        )
        tell(world, c.DetachFile("m", 1, "b"))
        files = world.past.version(world.past.at(attached), "m", 1).files
        assert files == (an_artifact("a/x", b"1"), an_artifact("b", b"2"))
        assert world.past.version(world.past.at(str(world.git.head())), "m", 1).files == files[:1]

    def test_what_was_not_there_yet_or_no_more_is_not_found(self, world: World) -> None:
        before = str(world.git.head())
        there = tell(world, register("m", "v1"))
        after = tell(world, c.DeleteModel("m"))
        past = world.past
        assert past.version_record(past.at(there), "m", 1)["model_id"] == "m_v1"
        for commit in (before, after):
            with pytest.raises(NotFound):
                past.version_record(past.at(commit), "m", 1)
            with pytest.raises(NotFound):
                past.model_record(past.at(commit), "m")

    def test_environments_are_those_of_then(self, world: World) -> None:
        tell(world, c.SetEnvironment(an_environment("canary", rank=40), create=True))
        there = str(world.git.head())
        tell(world, c.DeleteEnvironment("canary"))
        names = [e.name for e in world.past.environments(world.past.at(there))]
        assert names == ["canary", "production", "staging", "development"]
        assert len(world.past.environments(world.past.at(str(world.git.head())))) == 3


class TestReferences:
    def test_one_means_what_it_meant_then(self, world: World) -> None:
        tell(world, register("m", "v1"), register("m", "v2"), c.SetAlias("m", "best", 1))
        first = world.past.at(tell(world, deploy("m", 1)))
        tell(world, c.SetAlias("m", "best", 2))
        second = world.past.at(tell(world, deploy("m", 2)))
        locate = world.past.locate
        assert [locate(at, "m@best")[1] for at in (first, second)] == [1, 2]
        assert [locate(at, "m:production")[1] for at in (first, second)] == [1, 2]
        assert locate(first, "m/v2") == locate(first, "m/2") == locate(first, "m_v2") == ("m", 2)

    @pytest.mark.parametrize("text", ["m@worst", "m:staging", "m:moon", "m/v9", "nothing", "none@best", ""])
    def test_what_meant_nothing_is_not_found(self, world: World, text: str) -> None:
        at = world.past.at(tell(world, register("m", "v1")))
        with pytest.raises(NotFound):
            world.past.locate(at, text)


class TestDeployments:
    def test_what_was_in_production_who_put_it_there_and_why(self, world: World) -> None:
        tell(world, register("m", "v1"), register("m", "v2"), deploy("m", 1))
        world.clock.forward(minutes=1)
        world.do(deploy("m", 2), reason="better recall")
        at = rfc3339(world.clock.now)
        tell(world, c.RollBack("m", 2, "production"))
        (then,) = world.past.deployments(world.past.at(at))
        assert (then["model_id"], then["version"], then["environment"]) == ("m_v2", "v2", "production")
        assert (then["by"]["actor"], then["by"]["reason"]) == ("ada", "better recall")
        assert then["earlier"] == [1]
        (now,) = world.past.deployments(world.past.at(str(world.git.head())))
        assert (now["model_id"], now["by"]["change"]) == ("m_v1", "rollback")

    def test_declared_and_observed_are_two_answers(self, world: World) -> None:
        tell(world, register("m", "v1"), register("m", "v2"), deploy("m", 2))
        declared = world.past.at(str(world.git.head()))
        observed = world.past.at(tell(world, c.Observe("m", "production", "running", 1, "pod-1")))
        assert world.past.deployments(declared)[0]["observed"] is None
        (then,) = world.past.deployments(observed)
        assert (then["number"], then["observed"]["number"], then["observed"]["instance"]) == (2, 1, "pod-1")

    def test_an_emptied_environment_holds_nothing(self, world: World) -> None:
        there = tell(world, register("m", "v1"), deploy("m"))
        tell(world, c.Undeploy("m", "production"))
        assert len(world.past.deployments(world.past.at(there))) == 1
        assert world.past.deployments(world.past.at(str(world.git.head()))) == []

    def test_they_are_asked_for_by_environment_and_model(self, world: World) -> None:
        tell(world, register("m", "v1"), register("n", "v1"), deploy("m"), deploy("n", environment="staging"))
        now = world.past.at(str(world.git.head()))
        assert len(world.past.deployments(now)) == 2
        assert [d["model"] for d in world.past.deployments(now, environment="staging")] == ["n"]
        assert [d["model"] for d in world.past.deployments(now, model="m")] == ["m"]


class TestFields:
    def test_a_change_is_told_field_by_field(self, world: World) -> None:
        tell(world, register("m", "v1", tags={"a": "1", "b": "1"}))
        commit = tell(world, c.UpdateVersion("m", 1, tags={"a": "2", "b": None, "c": "3"}))
        path = next(iter(world.git.diff(commit)))[0]
        assert list(world.past.fields(commit)) == [
            FieldChange(path, "tags.a", "1", "2"),
            FieldChange(path, "tags.b", "1", None),
            FieldChange(path, "tags.c", None, "3"),
        ]

    def test_a_file_is_its_digest_and_a_card_its_text(self, world: World) -> None:
        tell(world, register("m", "v1", pending=True))
        artifact = an_artifact("x.onnx")
        (file,) = world.past.fields(tell(world, c.AttachFile("m", 1, artifact)))
        assert (file.field, file.before, file.after) == ("sha256", None, artifact.sha256)
        card, digest = world.past.fields(tell(world, c.UpdateModel("m", card="# M\n")))
        assert (card.field, card.before, card.after) == ("content", None, "# M\n")
        assert digest.field == "card"

    def test_a_change_of_no_record_has_none(self, world: World) -> None:
        tell(world, register("m", "v1"))
        assert not world.past.fields(tell(world, c.Note("m", 1, "looked at it")))
