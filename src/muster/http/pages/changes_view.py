"""Changes as the knots of a rail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from muster.domain.changes import KINDS
from muster.http.pages.page import Mark, Page
from muster.service.values import ChangeFilter, Logged

_KNOTS: Final = {
    "deploy": "deploy",
    "rollback": "rollback",
    "undeploy": "rollback",
    "deploy-failed": "fail",
    "delete": "fail",
    "delete-model": "fail",
    "alias": "alias",
    "update": "edit",
    "update-model": "edit",
    "stage": "edit",
    "environment": "edit",
    "delete-environment": "edit",
    "note": "note",
    "observe": "note",
    "propose": "propose",
    "decide": "approve",
    "withdraw": "note",
    "lapse": "note",
    "review-break-glass": "note",
}
# What happens by itself, or in many steps: not among the latest changes.
_BY_THE_WAY: Final = frozenset({"observe", "attach", "detach", "init"})
TOLD: Final = tuple(kind for kind in KINDS if kind not in _BY_THE_WAY)


@dataclass(frozen=True, slots=True)
class Knot:
    """A change: `before`, the model as a link (if there is one to name), `after`, and its mark.

    `proposal` is the one that it carried out; `set_apart` is what marks it for ever.
    """

    knot: str
    before: str
    model: str
    after: str
    href: str
    mark: Mark
    proposal: str = ""
    proposal_href: str = ""
    set_apart: str = ""


def knots(page: Page, changes: Iterable[Logged], *, of: str | None = None) -> list[Knot]:
    """The changes as they are told; on the page of the model `of` its name goes without saying."""
    return [_marked(page, logged, _knot(page, logged, of)) for logged in changes]


def _marked(page: Page, logged: Logged, knot: Knot) -> Knot:
    """The knot with what its commit says of approvals."""
    proposal, mark = logged.entry.proposal, logged.entry.mark
    if proposal is None and mark is None:
        return knot
    href = page.to("proposals", proposal) if proposal else ""
    return replace(knot, proposal=proposal or "", proposal_href=href, set_apart=mark or "")


def _knot(page: Page, logged: Logged, of: str | None) -> Knot:
    entry, mark = logged.entry, page.mark(logged)
    kind = _KNOTS.get(entry.kind, "")
    model = entry.model or ""
    # With the space before it: a short name may be part of a word.
    at = 0 if entry.subject.startswith(f"{model} ") else entry.subject.find(f" {model}") + 1
    if not model or (at == 0 and not entry.subject.startswith(f"{model} ")):
        return Knot(kind, entry.subject, "", "", "", mark)
    before, after = entry.subject[:at], entry.subject[at + len(model) :]
    if model == of:
        return Knot(
            kind, before.rstrip() + after if after.startswith(" ") else before + after, "", "", "", mark
        )
    return Knot(kind, before, model, after, page.to("m", model), mark)


def latest(page: Page, wanted: ChangeFilter, limit: int) -> list[Logged]:
    """The newest changes up to the moment that is shown."""
    before = page.at.position + 1 if page.at else None
    return page.services.registry.index.changes(wanted, before=before, limit=limit)
