"""Which right a change takes, and where: the admission of every change while access is controlled."""

from __future__ import annotations

from typing import Final

from muster.domain import access, break_glass
from muster.domain import changes as c
from muster.domain.access import Right
from muster.domain.errors import Denied, NotFound
from muster.domain.proposals import proposal_from_bytes, proposal_path
from muster.domain.releasing import parts_of
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
    c.Purge: Right.ADMIN,
}
# What runs somewhere takes the right on the model, or in the environment with the model in sight.
_Placing = c.Deploy | c.RollBack | c.Undeploy | c.AttemptFailed | c.Observe
PLACING: Final = (c.Deploy, c.RollBack, c.Undeploy, c.AttemptFailed, c.Observe, c.Release, c.ReleaseBack)
IN_AN_ENVIRONMENT: Final[dict[type[c.Change], Right]] = {
    c.SetEnvironment: Right.MANAGE,
    c.DeleteEnvironment: Right.ADMIN,
}
ON_THE_REGISTRY: Final[dict[type[c.Change], Right]] = {
    c.RetractData: Right.MANAGE,
    c.ReinstateData: Right.ADMIN,
    c.LiftBan: Right.ADMIN,
    c.Lapse: Right.ADMIN,
    c.SetAccount: Right.ADMIN,
    c.DeleteTeam: Right.ADMIN,
    c.BeginAccess: Right.ADMIN,
    c.SetPolicy: Right.ADMIN,
    c.SetRequirement: Right.ADMIN,
    c.DeleteRequirement: Right.ADMIN,
    c.DeletePolicy: Right.ADMIN,
    c.Redact: Right.ADMIN,
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
        case c.Propose(wanted):
            admit(wanted, actor, before)
        case c.Decide() | c.Withdraw():
            _of_proposal(actor, change.proposal, before)
        case c.ReviewBreakGlass(review):
            data = before.document(break_glass.review_path(review))
            model = break_glass.review_from_bytes(data).model if data is not None else None
            _in_sight(actor, model, "review", review, before)
        case _ if change.break_glass and _breaks(change, actor, before):
            return
        case c.SetRoles(scope, name):
            _roles(actor, scope, name, before)
        case c.SetTeam(team, create=True):
            _need(actor, Right.ADMIN, access.right_anywhere(before, actor), "of the registry")
        case c.SetTeam(team):
            _need(actor, Right.MANAGE, access.right_for_team(before, actor, team), f"of team {team}")
        case c.Deploy() | c.RollBack() | c.Undeploy() | c.AttemptFailed() | c.Observe():
            _placing(actor, change, before)
        case c.Release() | c.ReleaseBack():
            for part in parts_of(change, before):
                _placing(actor, part, before)
        case c.SetRequirement(str(team)) | c.DeleteRequirement(str(team)):
            _need(actor, Right.MANAGE, access.right_for_team(before, actor, team), f"of team {team}")
        case c.SetEnvironment() | c.DeleteEnvironment():
            there = change.environment
            name = there if isinstance(there, str) else there.name
            needed = IN_AN_ENVIRONMENT[type(change)]
            _need(actor, needed, access.right_in(before, actor, name), f"in {name}")
        case c.Ban(model=str()):
            _model(actor, change, Right.MANAGE, before)
        case c.Ban():
            _need(actor, Right.MANAGE, access.right_anywhere(before, actor), "of the registry")
        case _ if (right := ON_A_MODEL.get(type(change))) is not None:
            _model(actor, change, right, before)
        case _:
            right = ON_THE_REGISTRY.get(type(change), Right.ADMIN)
            _need(actor, right, access.right_anywhere(before, actor), "of the registry")


def _of_proposal(actor: c.Actor, proposal: str, before: Snapshot) -> None:
    """Whoever sees the model may have a word on it, with a token that could do it; `approvals` judges."""
    data = before.document(proposal_path(proposal))
    wanted = proposal_from_bytes(data).change if data is not None else None
    _in_sight(actor, getattr(wanted, "model", None), "proposal", proposal, before)
    held = access.limited(
        Right.ADMIN, actor, getattr(wanted, "model", None), getattr(wanted, "environment", None)
    )
    _need(actor, Right.DEPLOY, held, "of a token")


def _in_sight(actor: c.Actor, model: str | None, kind: str, name: str, before: Snapshot) -> None:
    account = access.account(before, actor.name)
    if account is None or account.disabled:
        raise Denied.one("access", f"{actor.name} has no account that is enabled", "an admin can help")
    there = before.model(model) if model is not None else None
    if there is not None and access.right_on(before, actor, there) < Right.READ:
        raise NotFound(kind, name)


def _breaks(change: c.Change, actor: c.Actor, before: Snapshot) -> bool:
    """Whether it is one of what runs where, of stages and aliases, and the actor may break the glass there.

    Who may not is told by the other rights, as if nobody had spoken of it.
    """
    if not isinstance(change, (c.Deploy, c.RollBack, c.Undeploy, c.Release, c.SetStage, c.SetAlias)):
        return False
    named = getattr(change, "environment", None)
    return break_glass.may_break(before, actor, [named] if named is not None else [])


def _need(actor: c.Actor, right: Right, held: Right, where: str) -> None:
    if held >= right:
        return
    role = _ROLE_FOR[right]
    who = f"{actor.name} is {_ROLE_FOR[held]}" if held else f"{actor.name} has no role"
    if actor.limits is not None:
        who += ", as far as the token goes,"
    raise Denied.one("access", f"{who} there, and this takes {role} {where}", "an admin can give that role")


def _model(actor: c.Actor, change: c.Change, right: Right, before: Snapshot) -> None:
    name: str = getattr(change, "model")  # noqa: B009  all of ON_A_MODEL have one
    there = before.model(name)
    if there is not None and not there.deleted:
        held = access.right_on(before, actor, there)
        if held < Right.READ:
            raise NotFound("model", name)
    else:
        new = isinstance(change, (c.RegisterVersion, c.CreateModel))
        owner = change.owner if isinstance(change, (c.RegisterVersion, c.CreateModel)) else None
        held = access.right_on_owned(before, actor, name, owner)
        if held < Right.READ and not new:
            raise NotFound("model", name)
    _need(actor, right, held, f"of model {name}")


def _placing(actor: c.Actor, change: _Placing, before: Snapshot) -> None:
    model, environment = change.model, change.environment
    if access.right_on(before, actor, model) < Right.READ:
        raise NotFound("model", model)
    held = max(
        access.right_on(before, actor, model, environment),
        access.right_in(before, actor, environment, model),
    )
    if held < Right.DEPLOY and access.is_among(before, actor.name, _named(change, before)):
        held = access.limited(Right.DEPLOY, actor, model, environment)
    _need(actor, Right.DEPLOY, held, f"of model {model} or in {environment}")


def _named(change: _Placing, before: Snapshot) -> tuple[str, ...]:
    """Whom the environment's rules name for it, whatever their role; `protecting` says who else may not."""
    environment = before.environment(change.environment)
    if environment is None or isinstance(change, c.Observe):
        return ()
    rules = environment.rules
    match change:
        case c.Deploy():
            return rules.deploy
        case c.RollBack():
            return rules.rollback
    return (*rules.deploy, *rules.rollback)


def _roles(actor: c.Actor, scope: str, name: str | None, before: Snapshot) -> None:
    where = f"of {scope} {name}" if name else "of the registry"
    if scope == "registry" or name is None:
        _need(actor, Right.ADMIN, access.right_anywhere(before, actor), where)
    elif scope == "environment":
        _need(actor, Right.MANAGE, access.right_in(before, actor, name), where)
    elif scope == "team":
        _need(actor, Right.MANAGE, access.right_for_team(before, actor, name), where)
    else:
        held = access.right_on(before, actor, name)
        if held < Right.READ:
            raise NotFound("model", name)
        _need(actor, Right.MANAGE, held, where)
