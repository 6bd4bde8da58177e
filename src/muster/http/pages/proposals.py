"""`/proposals` and `/reviews`: what waits for approval, what was done without it, and deciding on them."""

from __future__ import annotations

from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse
from muster.domain.break_glass import review_id
from muster.domain.changes import Change, Verdict
from muster.domain.errors import Invalid, MusterError
from muster.domain.proposals import proposal_id
from muster.http.pages.forms import FromForm, Posted, or_again, problems, status_of
from muster.http.pages.operation import begun
from muster.http.pages.page import Page, Viewed
from muster.http.pages.proposal_view import glass_broken, proposal_view, seen_now
from muster.http.pages.proposals_view import proposals, review_view
from muster.http.parameters import InPath
from muster.service.deployer import Placing
from muster.service.operations import Operation
from muster.service.proposals import Decided

_UNTOUCHED = "Nothing was decided or changed."
_NOT_DONE = "Your approval is recorded. What was approved was not done yet: ask for it again to try it again."


@get("/proposals")
async def listed(page: Viewed) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    return await page.shown("proposals.html", partial(proposals, page))


@get("/proposals/{proposal:str}")
async def show(page: Viewed, proposal: InPath) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    return await _shown(page, proposal_id(proposal), "", None)


@post("/proposals/{proposal:str}", status_code=303)
async def decide(page: Viewed, posted: FromForm, proposal: InPath) -> Response[bytes]:
    of, comment = proposal_id(proposal), posted.text("comment")

    async def work() -> Response[bytes]:
        said = parse.reason(comment, "comment")
        match posted.text("decision"):
            case "approve" | "reject" as verdict:
                return await _decided(page, of, verdict, said, posted)
            case "withdraw":
                take_back = partial(page.services.proposals.withdraw, of, page.visitor.actor, said)
                recorded = await page.services.pools.writes.run(take_back)
                return page.after(page.to("proposals", of), recorded)
            case "break-glass":
                return await _broken(page, of, parse.reason(posted.text("reason")))
            case other:
                raise Invalid.one("decision", other, "must be approve, reject, withdraw or break-glass")

    return await or_again(work, lambda refused: _shown(page, of, comment, refused, posted.text("reason")))


async def _decided(page: Page, of: str, verdict: Verdict, comment: str, posted: Posted) -> Response[bytes]:
    if verdict == "reject" and not comment:
        raise Invalid.one("comment", comment, "must say why it is rejected")
    if verdict == "approve" and posted.text("seen") != await page.services.pools.reads.run(
        partial(seen_now, page, of)
    ):
        return await _shown(page, of, comment, None, is_other=True)

    def work() -> Decided:
        return page.services.proposals.decide(of, verdict, page.visitor.actor, comment)

    decided = await page.services.pools.writes.run(work)
    if decided.refused is not None:
        return await _shown(page, of, "", decided.refused, untouched=_NOT_DONE)
    if isinstance(decided.carried, Operation):
        return page.sent_to(page.to("operation", decided.carried.id))
    return page.after(page.to("proposals", of), decided.carried or decided.recorded)


async def _broken(page: Page, of: str, reason: str) -> Response[bytes]:
    """Have what is proposed happen without approval, in the name of who breaks the glass."""
    change: Change = await page.services.pools.reads.run(partial(glass_broken, page, of))
    if isinstance(change, Placing):
        return await begun(page, change, reason)
    return page.after(page.to("proposals", of), await page.submit(change, reason))


async def _shown(
    page: Page,
    of: str,
    comment: str,
    refused: MusterError | None,
    reason: str = "",
    *,
    is_other: bool = False,
    untouched: str = _UNTOUCHED,
) -> Response[bytes]:
    return await page.shown(
        "proposal.html",
        partial(proposal_view, page, of),
        status_of(refused),
        comment=comment,
        reason=reason,
        refused=refused,
        untouched=untouched,
        problems=problems(refused),
        is_other=is_other,
    )


# ------------------------------------------------------------ reviews


@get("/reviews/{review:str}")
async def look(page: Viewed, review: InPath) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    return await _reviewed(page, review_id(review), "", None)


@post("/reviews/{review:str}", status_code=303)
async def say(page: Viewed, posted: FromForm, review: InPath) -> Response[bytes]:
    of, comment = review_id(review), posted.text("comment")

    async def work() -> Response[bytes]:
        said = parse.reason(comment, "comment")
        write = partial(page.services.proposals.review, of, page.visitor.actor, said)
        return page.after(page.to("reviews", of), await page.services.pools.writes.run(write))

    return await or_again(work, lambda refused: _reviewed(page, of, comment, refused))


async def _reviewed(page: Page, of: str, comment: str, refused: MusterError | None) -> Response[bytes]:
    return await page.shown(
        "review.html",
        partial(review_view, page, of),
        status_of(refused),
        comment=comment,
        refused=refused,
        problems=problems(refused),
    )


def routes() -> list[HTTPRouteHandler]:
    """All routes of proposals and reviews."""
    return [listed, show, decide, look, say]
