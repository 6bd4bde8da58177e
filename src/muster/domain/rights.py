"""Which right a change takes, and where: the admission of every change while access is controlled."""

from __future__ import annotations

from typing import Final

from muster.domain import access
from muster.domain import changes as c
from muster.domain.access import Right
from muster.domain.errors import Denied, NotFound
from muster.domain.snapshot import Snapshot

# What is about a model takes the right on it; one that is not there is made by whoever may
# write to the registry, or to the models of the team that is to own it.
ON_A_MODEL: Final[dict[type[c.Change], Right]] = {
    c.RegisterVersion: Right.WRITE,
    c.CreateModel: Right.WRITE,
    c.UpdateModel: Right.WRITE,
    c.TagModel: Right.WRITE,
    c.RenameModel: Right.MANAGE,
    c.UpdateVersion: Right.WRITE,
    c.SetStage: Right.WRITE,
    c.SetAlias: Right.WRITE,
    c.AttachFile: Right.WRITE,
    c.DetachFile: Right.WRITE,
    c.Finalize: Right.WRITE,
    c.DeleteVersion: Right.MANAGE,
    c.DeleteModel: Right.MANAGE,
    c.Note: Right.WRITE,
    c.Evaluate: Right.WRITE,
}
# What runs somewhere takes the right on the model, or in the environment with the model in sight.
PLACING: Final = (c.Deploy, c.RollBack, c.Undeploy, c.AttemptFailed, c.Observe)
IN_AN_ENVIRONMENT: Final[dict[type[c.Change], Right]] = {
    c.SetEnvironment: Right.MANAGE,
    c.DeleteEnvironment: Right.ADMIN,
}
ON_THE_REGISTRY: Final[dict[type[c.Change], Right]] = {
    c.SetAccount: Right.ADMIN,
    c.DeleteTeam: Right.ADMIN,
    c.BeginAccess: Right.ADMIN,
}
_ROLE_FOR: Final = {right: role for role, right in access.ROLES.items()}


def admit(change: c.Change, actor: c.Actor, before: Snapshot) -> None:
    """Let pass what the actor's roles allow; everything while access is not controlled.

    Raises:
        Denied: a role is missing; it says which, and where.
        NotFound: the model is none that the actor may see.
    """
    if actor.internal or not access.controlled(before):
        return
    match change:
        case c.SetRoles(scope, name):
            _roles(actor, scope, name, before)
        case c.SetTeam(team, create=create):
            held = access.right_anywhere(before, actor.name)
            if not create:
                held = max(held, access.right_of(_team_roles(before, actor.name, team)))
            _need(actor, Right.MANAGE if not create else Right.ADMIN, held, f"of team {team}")
        case c.Deploy() | c.RollBack() | c.Undeploy() | c.AttemptFailed() | c.Observe():
            _placing(actor, change.model, change.environment, before)
        case c.SetEnvironment(environment):
            held = access.right_in(before, actor.name, environment.name)
            _need(actor, Right.MANAGE, held, f"in {environment.name}")
        case c.DeleteEnvironment(name):
            _need(actor, Right.ADMIN, access.right_in(before, actor.name, name), f"in {name}")
        case _ if (right := ON_A_MODEL.get(type(change))) is not None:
            _model(actor, change, right, before)
        case _:
            right = ON_THE_REGISTRY.get(type(change), Right.ADMIN)
            _need(actor, right, access.right_anywhere(before, actor.name), "of the registry")


def _need(actor: c.Actor, right: Right, held: Right, where: str) -> None:
    if held >= right:
        return
    role = _ROLE_FOR[right]
    who = f"{actor.name} is {_ROLE_FOR[held]}" if held else f"{actor.name} has no role"
    raise Denied.one("access", f"{who} there, and this takes {role} {where}", "an admin can give that role")


def _model(actor: c.Actor, change: c.Change, right: Right, before: Snapshot) -> None:
    name: str = getattr(change, "model")  # noqa: B009  all of ON_A_MODEL have one
    there = before.model(name)
    if there is not None and not there.deleted:
        held = access.right_on(before, actor.name, there)
        if held < Right.READ:
            raise NotFound("model", name)
    else:
        owner = change.owner if isinstance(change, (c.RegisterVersion, c.CreateModel)) else None
        held = access.right_of(access.roles_at(before, actor.name, access.places_of(name, owner)))
        if held < Right.READ and not isinstance(change, (c.RegisterVersion, c.CreateModel)):
            raise NotFound("model", name)
    _need(actor, right, held, f"of model {name}")


def _placing(actor: c.Actor, model: str, environment: str, before: Snapshot) -> None:
    on = access.right_on(before, actor.name, model)
    if on < Right.READ:
        raise NotFound("model", model)
    held = max(on, access.right_in(before, actor.name, environment))
    _need(actor, Right.DEPLOY, held, f"of model {model} or in {environment}")


def _roles(actor: c.Actor, scope: str, name: str | None, before: Snapshot) -> None:
    where = f"of {scope} {name}" if name else "of the registry"
    if scope == "registry" or name is None:
        _need(actor, Right.ADMIN, access.right_anywhere(before, actor.name), where)
    elif scope == "environment":
        _need(actor, Right.MANAGE, access.right_in(before, actor.name, name), where)
    elif scope == "team":
        held = access.right_of(_team_roles(before, actor.name, name))
        _need(actor, Right.MANAGE, max(held, access.right_anywhere(before, actor.name)), where)
    else:
        held = access.right_on(before, actor.name, name)
        if held < Right.READ:
            raise NotFound("model", name)
        _need(actor, Right.MANAGE, held, where)


def _team_roles(before: Snapshot, actor: str, team: str) -> tuple[str, ...]:
    return access.roles_at(before, actor, [access.team_path(team)])
