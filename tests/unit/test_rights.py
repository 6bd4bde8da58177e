"""Who may ask for what: every role at every place, and what those see who may not."""

from __future__ import annotations

import pytest

from muster.domain import access
from muster.domain import changes as c
from muster.domain.access import Right
from muster.domain.errors import Conflict, Denied, Immutable, Invalid, NotFound
from muster.domain.rights import admit
from tests.builders import an_environment, deploy, register
from tests.unit.states import State

BOB = c.Actor("bob", "token")


@pytest.fixture
def state() -> State:
    state = State.begun()
    state.do(register("digits"), register("words", owner="team:nlp"))
    state.do(c.BeginAccess("ada"), c.SetAccount("bob", create=True), c.SetTeam("nlp", create=True))
    return state


def may(state: State, change: c.Change, actor: c.Actor = BOB) -> bool:
    try:
        admit(change, actor, state)
    except (Denied, NotFound):
        return False
    return True


def give(state: State, scope: c.Scope, name: str | None, *roles: str, to: str = "bob") -> None:
    state.do(c.SetRoles(scope, name, to, roles))


LADDER = [
    (None, Right.NONE),
    ("viewer", Right.READ),
    ("contributor", Right.WRITE),
    ("deployer", Right.DEPLOY),
    ("maintainer", Right.MANAGE),
    ("admin", Right.ADMIN),
]
CHANGES = [
    (register("digits", "v2"), Right.WRITE),
    (c.SetAlias("digits", "champion", 1), Right.WRITE),
    (c.SetStage("digits", 1, "staging"), Right.WRITE),
    (deploy(), Right.DEPLOY),
    (c.RollBack("digits", 1, "production"), Right.DEPLOY),
    (c.Undeploy("digits", "production"), Right.DEPLOY),
    (c.Release("production", (deploy(),)), Right.DEPLOY),
    (c.DeleteVersion("digits", 1), Right.MANAGE),
    (c.RenameModel("digits", "numbers"), Right.MANAGE),
    (c.SetRoles("model", "digits", "bob", ("viewer",)), Right.MANAGE),
    (c.SetEnvironment(an_environment("production")), Right.MANAGE),
    (c.SetRoles("registry", None, "bob", ("admin",)), Right.ADMIN),
    (c.SetAccount("bob", disabled=False), Right.ADMIN),
    (c.SetTeam("ops", create=True), Right.ADMIN),
    (c.DeleteEnvironment("production"), Right.ADMIN),
    (c.Ban("digits", 1), Right.MANAGE),
    (c.Ban(sha256="12" * 32), Right.MANAGE),
    (c.LiftBan("digits", 1), Right.ADMIN),
    (c.RetractData(name="forms"), Right.MANAGE),
    (c.ReinstateData(name="forms"), Right.ADMIN),
    (c.Purge("digits", 1), Right.ADMIN),
]


@pytest.mark.parametrize(("role", "right"), LADDER)
@pytest.mark.parametrize(("change", "needed"), CHANGES, ids=lambda each: getattr(each, "kind", None))
def test_a_role_on_the_registry_allows_just_what_it_says(
    state: State, role: str | None, right: Right, change: c.Change, needed: Right
) -> None:
    if role:
        give(state, "registry", None, role)
    assert may(state, change) is (right >= needed)


def test_a_role_on_a_model_holds_for_it_alone(state: State) -> None:
    give(state, "model", "digits", "maintainer")
    assert may(state, c.DeleteModel("digits"))
    assert not may(state, c.DeleteModel("words"))
    assert not may(state, register("new"))


def test_a_role_on_a_teams_models_follows_the_owner(state: State) -> None:
    give(state, "team", "nlp", "contributor")
    assert may(state, register("words", "v2"))
    assert may(state, register("other", owner="team:nlp"))
    assert not may(state, register("other"))
    assert not may(state, register("digits", "v2"))
    state.do(c.UpdateModel("words", owner="ada"))
    assert not may(state, register("words", "v2"))


def test_a_deployer_of_an_environment_deploys_what_they_can_see_there_and_nowhere_else(state: State) -> None:
    give(state, "environment", "staging", "deployer")
    assert not may(state, deploy(environment="staging"))
    give(state, "registry", None, "viewer")
    assert may(state, deploy(environment="staging"))
    assert not may(state, deploy(environment="production"))


def test_members_of_a_team_have_its_roles_as_long_as_they_are(state: State) -> None:
    give(state, "registry", None, "deployer", to="team:nlp")
    assert not may(state, deploy())
    state.do(c.SetTeam("nlp", add=("bob",)))
    assert may(state, deploy())
    state.do(c.SetTeam("nlp", remove=("bob",)))
    assert not may(state, deploy())


def test_what_is_hidden_looks_missing(state: State) -> None:
    with pytest.raises(NotFound) as hidden:
        admit(c.DeleteModel("digits"), BOB, state)
    with pytest.raises(NotFound) as missing:
        admit(c.DeleteModel("moon"), BOB, state)
    assert hidden.value.message.replace("digits", "moon") == missing.value.message


def test_a_refusal_names_the_role_and_who_can_give_it(state: State) -> None:
    give(state, "registry", None, "viewer")
    with pytest.raises(Denied) as refused:
        admit(deploy(), BOB, state)
    (objection,) = refused.value.objections
    assert objection.rule == "access"
    assert "bob is viewer there, and this takes deployer" in objection.message
    assert objection.help == "an admin can give that role"


def test_a_disabled_account_may_nothing(state: State) -> None:
    give(state, "registry", None, "admin")
    assert may(state, c.DeleteModel("digits"))
    state.do(c.SetAccount("bob", disabled=True))
    assert not may(state, c.DeleteModel("digits"))
    assert not may(state, register("digits", "v2"))


def test_without_control_everybody_may_everything_and_muster_itself_always(state: State) -> None:
    assert may(State.begun(), c.DeleteModel("digits"), c.Actor("anonymous"))
    assert may(state, deploy(), c.Actor("muster", internal=True))
    assert not may(state, deploy(), c.Actor("muster"))


class TestPlans:
    def test_the_last_admin_stays(self, state: State) -> None:
        for change in (
            c.SetRoles("registry", None, "ada", ()),
            c.SetRoles("registry", None, "ada", ("viewer",)),
            c.SetAccount("ada", disabled=True),
        ):
            with pytest.raises(Immutable, match="nobody would be admin"):
                state.do(change)
        give(state, "registry", None, "admin")
        state.do(c.SetAccount("ada", disabled=True))
        with pytest.raises(Immutable, match="nobody would be admin"):
            state.do(c.SetAccount("bob", disabled=True))

    def test_a_team_of_admins_counts_by_its_members(self, state: State) -> None:
        state.do(c.SetTeam("root", create=True, add=("bob",)))
        give(state, "registry", None, "admin", to="team:root")
        state.do(c.SetRoles("registry", None, "ada", ()))
        for change in (c.SetTeam("root", remove=("bob",)), c.DeleteTeam("root")):
            with pytest.raises(Immutable, match="nobody would be admin"):
                state.do(change)

    def test_a_team_that_goes_takes_its_roles_along(self, state: State) -> None:
        give(state, "environment", "staging", "deployer", to="team:nlp")
        planned = state.do(c.DeleteTeam("nlp"))
        assert planned.subject == "Delete team nlp"
        assert access.grants_at(state, access.environment_access_path("staging")) == {}

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            (c.BeginAccess("bob"), Conflict),
            (c.SetAccount("carl"), NotFound),
            (c.SetAccount("ci", account_kind="service", create=True), Invalid),
            (c.SetAccount("carl", owner="ada", create=True), Invalid),
            (c.SetAccount("bob", account_kind="service", owner="ada"), Immutable),
            (c.SetRoles("model", "moon", "bob", ("viewer",)), NotFound),
            (c.SetRoles("registry", None, "carl", ("viewer",)), NotFound),
            (c.SetTeam("nlp", add=("carl",)), NotFound),
        ],
    )
    def test_what_cannot_be_is_refused(self, state: State, change: c.Change, error: type[Exception]) -> None:
        with pytest.raises(error):
            state.do(change)

    def test_roles_are_said_in_the_subject(self, state: State) -> None:
        assert state.do(c.SetRoles("team", "nlp", "bob", ("admin", "viewer"))).subject == (
            "Make bob viewer and admin of the models of team nlp"
        )
        assert state.do(c.SetRoles("team", "nlp", "bob", ())).subject == (
            "Take viewer and admin of the models of team nlp from bob"
        )
        assert state.do(c.SetRoles("team", "nlp", "bob", ())).nothing


def test_no_kind_of_change_is_forgotten() -> None:
    """Each is admitted by a rule of its own or is for admins; this list grows with the kinds."""
    from muster.domain.rights import IN_AN_ENVIRONMENT, ON_A_MODEL, ON_THE_REGISTRY, PLACING

    ruled: set[type[c.Change]] = {
        *ON_A_MODEL,
        *PLACING,
        *IN_AN_ENVIRONMENT,
        *ON_THE_REGISTRY,
        c.SetRoles,
        c.SetTeam,
        c.Initialize,
        c.Ban,
    }
    ruled |= {c.Propose, c.Decide, c.Withdraw, c.ReviewBreakGlass}
    assert {each.kind for each in ruled} == set(c.KINDS)
