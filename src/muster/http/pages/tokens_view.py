"""Tokens and sessions of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from muster.domain import access, parse
from muster.domain.changes import Limits
from muster.domain.errors import Denied, Invalid
from muster.domain.parse import Form
from muster.http.api_access import token_days, token_limits
from muster.http.pages.access_forms import listed
from muster.http.pages.configuring import number
from muster.http.pages.forms import Posted
from muster.http.pages.page import Page
from muster.http.pages.times import When
from muster.service.accounts import Accounts
from muster.service.identities import Credential

PREDICT: Final = "predict"


@dataclass(frozen=True, slots=True)
class Token:
    """A token or session, but for its secret; `limits` in words."""

    credential: Credential
    limits: str
    created: When
    expires: When | None
    used: When | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Those of an account, newest first; `barred` is why they are not the visitor's to see."""

    account: str
    tokens: Sequence[Token]
    barred: Denied | None


@dataclass(frozen=True, slots=True)
class Me:
    """Who the visitor is: the account's kind, teams and roles on the registry; None without an account."""

    kind: str | None
    teams: tuple[str, ...]
    roles: tuple[str, ...]
    tokens: Tokens | None


def accounts(page: Page) -> Accounts:
    """With all accounts in sight: whose a token is, is checked there."""
    return Accounts(page.services.gate.whole_index, page.services.gate)


def tokens(page: Page, account: str) -> Tokens:
    """The tokens and sessions of an account, as far as they are the visitor's to see."""
    try:
        found = accounts(page).tokens(page.visitor.actor, account)
    except Denied as denied:
        return Tokens(account, (), denied)
    return Tokens(account, [_token(page, each) for each in reversed(found)], None)


def me(page: Page) -> Me:
    """The visitor's own account."""
    actor, gate = page.visitor.actor, page.services.gate
    found = gate.whole_index.document(access.account_path(actor.name)) if gate.controlled() else None
    if found is None:
        return Me(None, (), (), None)
    standing = accounts(page).standing(access.account_from_bytes(found.record))
    return Me(standing.account.kind, standing.teams, standing.roles, tokens(page, actor.name))


def wanted(posted: Posted) -> tuple[str, Limits | None, timedelta | None]:
    """The note, limits and life of a token that is to be made. Raises Invalid."""
    said = {
        "note": posted.text("note").strip() or None,
        "days": number(posted.text("days")) if posted.text("days").strip() else None,
    }
    form = Form({name: value for name, value in said.items() if value is not None})
    note, days = form.take("note", parse.name, ""), form.take("days", token_days, None)
    form.close()
    found = _limited(posted)
    return note, found, None if days is None else timedelta(days=days)


def _limited(posted: Posted) -> Limits | None:
    role = posted.text("limit_role")
    models = [each.strip() for each in posted.text("models").split("\n") if each.strip()]
    places = listed(posted.text("environments"))
    if not role:
        if models or places:
            rule = "must be chosen for a token that is good for some models or environments only"
            raise Invalid.one("limit_role", role, rule)
        return None
    given: dict[str, object] = {"models": models, "environments": places}
    return token_limits(given if role == PREDICT else given | {"role": role}, "limits")


def _token(page: Page, each: Credential) -> Token:
    return Token(
        each,
        _limits(each.limits),
        page.when(each.created),
        page.when(each.expires) if each.expires else None,
        page.when(each.last_used) if each.last_used else None,
    )


def _limits(limits: Limits | None) -> str:
    if limits is None:
        return "everything that the account may"
    parts = [f"as {limits.role}" if limits.role else "only predicting"]
    if limits.models:
        parts.append(f"on {', '.join(limits.models)}")
    if limits.environments:
        parts.append(f"in {', '.join(limits.environments)}")
    return ", ".join(parts)
