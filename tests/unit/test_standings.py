"""What is kept up by following the log: how everything stands, all models, what was built on what; blame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.bootstrap import Home, open_home
from muster.domain import changes as c
from muster.service import blame
from muster.service.roster import Built, Rosters
from muster.service.standings import Standings
from muster.settings import Settings
from tests.builders import deploy, register


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    settings = Settings(
        home=tmp_path / "registry", reserve_bytes=0, min_free_bytes=0, surroundings=dict(os.environ)
    )
    with open_home(settings) as opened:
        yield opened


def do(home: Home, *changes: c.Change, actor: str = "ada", reason: str = "") -> None:
    for change in changes:
        home.registry.submit(change, c.Actor(actor), reason).result()


@pytest.fixture
def standings(home: Home) -> Standings:
    return Standings(home.registry.index, home.observer)


class TestStandings:
    def test_what_changed_since_the_last_look_is_seen(self, home: Home, standings: Standings) -> None:
        assert standings.look().standings == {}
        do(home, register("digits", "v1"), deploy("digits", 1))
        place = ("production", "digits")
        assert standings.look().standings[place].standing == "recorded"
        said = {"instance": "edge-1", "digest": None, "actor": c.Actor("agent")}
        home.observer.report(*place, number=1, **said)  # type: ignore[arg-type]
        look = standings.look()
        assert (look.standings[place].standing, look.running) == ("in sync", {"production": 1})
        do(home, register("digits", "v2"))
        home.observer.report(*place, number=2, **said)  # type: ignore[arg-type]
        assert standings.look().troubled == {"drifted": (place,)}
        do(home, c.Undeploy("digits", "production"))
        assert standings.look().troubled == {"undeclared": (place,)}

    def test_a_look_from_nothing_sees_the_same(self, home: Home, standings: Standings) -> None:
        standings.look()
        do(
            home,
            register("digits", "v1"),
            deploy("digits", 1),
            c.AttemptFailed("digits", 1, "staging", "why"),
        )
        assert standings.look() == Standings(home.registry.index, home.observer).look()

    def test_an_attempt_that_failed_counts_until_something_is_put_there(
        self, home: Home, standings: Standings
    ) -> None:
        place = ("staging", "digits")
        do(home, register("digits", "v1"), c.AttemptFailed("digits", 1, "staging", "no such file"))
        assert list(standings.look().failed) == [place]
        assert list(Standings(home.registry.index, home.observer).look().failed) == [place]
        do(home, deploy("digits", 1, "staging"))
        assert standings.look().failed == {}
        assert Standings(home.registry.index, home.observer).look().failed == {}

    def test_what_was_deleted_stands_nowhere(self, home: Home, standings: Standings) -> None:
        do(home, register("digits", "v1"), c.AttemptFailed("digits", 1, "staging", "why"))
        standings.look()
        do(home, c.DeleteModel("digits"))
        assert (standings.look().standings, standings.look().failed) == ({}, {})


class TestRosters:
    def test_models_and_owners_are_those_of_now(self, home: Home) -> None:
        rosters = Rosters(home.registry.index)
        assert rosters.roster().names == ()
        do(home, c.CreateModel("b", owner="vision"), register("a", "v1"), register("a", "v2"))
        assert rosters.roster().names == ("a", "b")
        assert rosters.roster().owners == {None: 1, "vision": 1}
        do(home, c.UpdateModel("a", owner="vision"), c.DeleteModel("b"))
        assert (rosters.roster().names, rosters.roster().owners) == (("a",), {"vision": 1})

    def test_what_was_built_on_a_model_is_known_once_it_is_registered(self, home: Home) -> None:
        rosters = Rosters(home.registry.index)
        do(home, register("base", "v1"), register("other", "v1"))
        assert rosters.built_on("base") == []
        do(home, register("tuned", "v1", bases=({"ref": "base/v1"},)))
        do(home, register("merged", "v1", bases=({"ref": "base_v1"}, {"uri": "https://host.example/x"})))
        found = [Built("merged", 1, "base_v1"), Built("tuned", 1, "base/v1")]
        assert rosters.built_on("base") == found
        assert rosters.built_on("base") == found

    def test_a_renamed_model_goes_by_its_new_name(self, home: Home) -> None:
        rosters = Rosters(home.registry.index)
        do(home, register("base"), register("tuned", bases=({"ref": "base/1"},)))
        assert rosters.roster().names == ("base", "tuned")
        assert rosters.built_on("base") == [Built("tuned", 1, "base/1")]
        do(home, c.RenameModel("tuned", "better"))
        assert rosters.roster().names == ("base", "better")
        assert rosters.built_on("base") == [Built("better", 1, "base/1")]


class TestBlame:
    def test_each_field_knows_who_set_it_last(self, home: Home) -> None:
        do(home, register("digits", "v1", tags={"tier": "2"}), actor="training")
        do(home, c.UpdateVersion("digits", 1, description="better words"), actor="ada", reason="typo")
        do(home, deploy("digits", 1, "staging"), actor="ops")
        do(home, c.UpdateVersion("digits", 1, tags={"pii": "none"}), actor="risk")
        said = blame.of_version(home.registry.index, home.past, "digits", 1)
        who = {}
        for field in ("description", "stage", "tags.tier", "tags.pii", "training_data", "metrics"):
            by = said.of(field)
            who[field] = by and by.entry.actor
        assert who == {
            "description": "ada",
            "stage": "ops",
            "tags.tier": "training",
            "tags.pii": "risk",
            "training_data": "training",
            "metrics": "training",
        }

    def test_of_a_past_moment_it_is_who_had_set_it_by_then(self, home: Home) -> None:
        do(home, register("digits", "v1"), actor="training")
        then = home.registry.index.newest()
        do(home, c.UpdateVersion("digits", 1, description="better words"), actor="ada")
        by = blame.of_version(home.registry.index, home.past, "digits", 1, then).of("description")
        assert by is not None
        assert by.entry.actor == "training"

    def test_a_models_card_and_aliases_have_theirs(self, home: Home) -> None:
        do(home, c.CreateModel("digits", owner="vision"), register("digits", "v1"), actor="ada")
        do(home, c.UpdateModel("digits", card="# Card"), actor="ml-7")
        do(home, c.SetAlias("digits", "champion", 1), actor="ops")
        created = home.registry.model("digits")[0]["created_at"]
        said = blame.of_model(home.registry.index, home.past, "digits", created)
        found = [said.of(field) for field in ("owner", blame.CARD, "aliases.champion")]
        assert [by and by.entry.actor for by in found] == ["ada", "ml-7", "ops"]

    def test_tags_of_a_model_have_theirs(self, home: Home) -> None:
        do(home, c.CreateModel("digits", tags={"a": "1", "b": "1"}), actor="ada")
        do(home, c.TagModel("digits", {"b": "2"}), actor="ops")
        created = home.registry.model("digits")[0]["created_at"]
        said = blame.of_model(home.registry.index, home.past, "digits", created)
        found = [said.of(field) for field in ("tags.a", "tags.b")]
        assert [by and by.entry.actor for by in found] == ["ada", "ops"]
