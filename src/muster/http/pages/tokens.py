"""`/you` and `/access/account/{account}`: who somebody is, and the tokens that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import Invalid, MusterError, Problem
from muster.http.pages import access_forms as forms
from muster.http.pages import access_view, tokens_view
from muster.http.pages.access import View, Wanted, done, shown
from muster.http.pages.forms import FromForm, Posted, or_again
from muster.http.pages.page import Page, Viewed
from muster.http.parameters import InPath

_TOKENS = ("token", "revoke")


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account with its tokens."""

    one: access_view.One
    tokens: tokens_view.Tokens


@get("/access/account/{account:str}")
async def account(page: Viewed, account: InPath) -> Response[bytes]:
    return await shown(page, "account.html", partial(_account, page, account))


@post("/access/account/{account:str}", status_code=303)
async def change(page: Viewed, posted: FromForm, account: InPath) -> Response[bytes]:
    view, where = partial(_account, page, account), page.to("access", "account", account)
    if posted.text("part") in _TOKENS:
        return await of_tokens(page, posted, account, where, "account.html", view)
    parts: dict[str, Wanted] = {
        "disable": lambda said: forms.disabling(said, account),
        "enable": lambda said: forms.disabling(said, account),
        "service": lambda said: forms.service_of(said, account),
    }
    return await done(page, posted, parts, where, "account.html", view)


def _account(page: Page, name: str) -> AccountView:
    return AccountView(access_view.one(page, name), tokens_view.tokens(page, name))


@post("/you/tokens", status_code=303)
async def own(page: Viewed, posted: FromForm) -> Response[bytes]:
    view = partial(tokens_view.me, page)
    return await of_tokens(page, posted, page.visitor.actor.name, "/you", "you.html", view)


async def of_tokens(
    page: Page, posted: Posted, account: str, where: str, template: str, view: View
) -> Response[bytes]:
    """A token is made, whose secret only this answer shows, or one is revoked."""
    accounts, writes = tokens_view.accounts(page), page.services.pools.writes

    async def work() -> Response[bytes]:
        match posted.text("part"):
            case "token":
                note, limits, lasts = tokens_view.wanted(posted)
                give = partial(accounts.give, page.visitor.actor, account, note, limits, lasts)
                secret, _ = await writes.run(give)
                return await shown(page, template, view, secret=secret)
            case "revoke":
                await writes.run(partial(accounts.revoke, page.visitor.actor, posted.text("id")))
                return page.sent_to(f"{where}#tokens")
            case part:
                raise Invalid.one("part", part, f"must be one of {', '.join(_TOKENS)}")

    async def again(refused: MusterError) -> Response[bytes]:
        return await shown(page, template, view, posted, _unlimited(refused))

    return await or_again(work, again)


def _unlimited(refused: MusterError) -> MusterError:
    """What is wrong with the limits, by the names of the form's fields."""
    if not isinstance(refused, Invalid):
        return refused
    return Invalid(
        Problem(each.field.removeprefix("limits."), each.value, each.rule) for each in refused.problems
    )


def routes() -> list[HTTPRouteHandler]:
    """All routes of accounts and tokens."""
    return [account, change, own]
