"""What is posted about accounts, teams and roles → changes, with what is wrong by the name of its field."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from muster.domain import access, names, parse
from muster.domain.access import ACCOUNT_KINDS
from muster.domain.changes import UNSET, Change, DeleteTeam, Scope, SetAccount, SetRoles, SetTeam
from muster.domain.errors import Invalid, MusterError, NotFound, Problem, Taken
from muster.domain.parse import Form
from muster.http.pages.forms import Posted

_ids = parse.sequence(names.actor_id)
_roles = parse.sequence(access.role)
_names = parse.sequence(parse.name)
_NOBODY: Final[tuple[str, ...]] = ()


def listed(text: str) -> list[str]:
    """Names that were typed with spaces, commas or line ends between them."""
    return [each for each in re.split(r"[\s,]+", text) if each]


def by_field(refused: MusterError | None, **kinds: str) -> dict[str, Problem]:
    """What was wrong, by the field that it stands beside; one of a list says which it is.

    `kinds` say beside which field stands that there is no such thing, or one already.
    """
    if isinstance(refused, (NotFound, Taken)) and refused.kind in kinds:
        field = kinds[refused.kind]
        return {field: Problem(field, refused.name, refused.message)}
    found: dict[str, Problem] = {}
    for each in refused.problems if isinstance(refused, Invalid) else ():
        field, bracket, _ = each.field.partition("[")
        rule = f"{each.value} {each.rule}" if bracket else each.rule
        found.setdefault(field, Problem(field, each.value, rule))
    return found


def new_account(posted: Posted) -> tuple[Change, str]:
    """An account that is to be made, and why. Raises Invalid."""
    service = posted.text("kind") == "service"
    form = Form(
        {
            "account": posted.text("account").strip(),
            "kind": posted.text("kind") or "person",
            "reason": posted.text("reason"),
            **({"owner": posted.text("owner").strip()} if posted.text("owner").strip() else {}),
            "users": listed(posted.text("users")),
        }
    )
    change = SetAccount(
        form.need("account", names.actor_id, ""),
        cast(Any, form.take("kind", parse.one_of(ACCOUNT_KINDS), "person")),
        owner=form.take("owner", names.actor_id, None),
        users=form.take("users", _ids, _NOBODY),
        create=True,
    )
    if not service and (change.owner or change.users):
        form.wrong("owner", change.owner or "", "is for services: a person is owned by nobody")
    return change, _reason(form)


def service_of(posted: Posted, account: str) -> tuple[Change, str]:
    """Another owner, other users of a service. Raises Invalid."""
    form = Form(
        {
            "owner": posted.text("owner").strip() or None,
            "users": listed(posted.text("users")),
            "reason": posted.text("reason"),
        }
    )
    owner = form.need("owner", names.actor_id, "")
    users = form.take("users", _ids, _NOBODY)
    return SetAccount(account, owner=owner, users=users), _reason(form)


def disabling(posted: Posted, account: str) -> tuple[Change, str]:
    """An account that is to be disabled, or enabled again."""
    change = SetAccount(account, disabled=posted.text("part") == "disable")
    return change, parse.reason(posted.text("reason"))


def new_team(posted: Posted) -> tuple[Change, str]:
    """A team that is to be made. Raises Invalid."""
    form = Form(
        {
            "team": posted.text("team").strip(),
            "description": posted.text("description"),
            "members": listed(posted.text("members")),
            "reason": posted.text("reason"),
        }
    )
    change = SetTeam(
        form.need("team", access.team_name, ""),
        form.take("description", parse.text, ""),
        (),
        add=form.take("members", _ids, ()),
        create=True,
    )
    return change, _reason(form)


def team_anew(posted: Posted, team: str) -> tuple[Change, str]:
    """What is to be said of a team, who comes and who goes. Raises Invalid."""
    claims = [each.strip() for each in posted.text("claims").split("\n") if each.strip()]
    form = Form(
        {
            "description": posted.text("description"),
            "claims": claims,
            "members": listed(posted.text("members")),
            "leave": posted.all("leave"),
            "reason": posted.text("reason"),
        }
    )
    change = SetTeam(
        team,
        form.take("description", parse.text, UNSET),
        form.take("claims", _names, UNSET),
        form.take("members", _ids, ()),
        form.take("leave", _ids, ()),
    )
    return change, _reason(form)


def end_of_team(posted: Posted, team: str) -> tuple[Change, str]:
    """A team that is to go."""
    return DeleteTeam(team), parse.reason(posted.text("reason"))


def roles(posted: Posted, scope: Scope, name: str | None) -> tuple[Change, str]:
    """Which roles somebody is to have at a place: those ticked and no others. Raises Invalid."""
    form = Form(
        {
            "subject": posted.text("subject").strip(),
            "roles": posted.all("roles"),
            "reason": posted.text("reason"),
        }
    )
    change = SetRoles(
        scope,
        name,
        form.need("subject", access.subject, ""),
        form.need("roles", _roles, tuple[str, ...]()),
    )
    return change, _reason(form)


def _reason(form: Form) -> str:
    reason: str = form.take("reason", parse.reason, "")
    form.close()
    return reason
