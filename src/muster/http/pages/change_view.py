"""What the page of a change shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from muster.domain.errors import NotFound
from muster.domain.messages import Entry, compose
from muster.http.pages.changes_view import Knot, knots
from muster.http.pages.effect_view import MOST, Effect, Subject, effects
from muster.http.pages.labels import called
from muster.http.pages.links import address
from muster.http.pages.page import Mark, Page
from muster.service.served import approvals
from muster.service.values import ChangeFilter, Logged

_HOW: Final = {
    "none": "said so themselves; nobody proved it",
    "import": "as it was said where this came from; nobody proved it",
    "token": "proved by a token",
    "oidc": "proved by an identity provider",
}


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change, its neighbours in the history, and where it leads.

    `links` lead to what it is about: (what, name, address). `output` is what a worker
    wrote, where that is the reason.
    """

    knot: Knot
    mark: Mark
    position: int
    kind: str
    how: str
    reason: str
    output: str
    approvals: list[tuple[str, str]]  # who approved what it carried out, and what they said
    policies: str  # the digest of those that it was judged by
    links: list[tuple[str, str, str]]
    effects: list[Effect]
    cut: bool
    trailers: list[tuple[str, str]]
    before: Knot | None
    after: Knot | None
    before_of_model: Knot | None
    moment: str
    moment_before: str


def change_view(page: Page, commit: str) -> ChangeView:
    """The change with that commit, or with an id that begins so.

    Raises:
        NotFound: there is none, or it came after the moment shown.
    """
    index = page.services.registry.index
    logged = index.change(commit)
    if logged is None:
        raise NotFound("change", commit)
    if page.at is not None and logged.position > page.at.position:
        raise NotFound("change", f"{commit} at {page.at.commit[:10]}: it came later")
    entry, mark = logged.entry, page.mark(logged)
    about = Subject(entry.model, entry.number, entry.environment)
    found = effects(page, page.services.past.fields(logged.commit), about)
    before = index.changes(ChangeFilter(), before=logged.position, limit=1)
    later = index.changes_after(logged.position, 1)
    if page.at is not None:
        later = [each for each in later if each.position <= page.at.position]
    output = entry.reason if entry.kind == "deploy-failed" else ""
    (knot,) = knots(page, [logged])
    return ChangeView(
        knot=knot,
        mark=mark,
        position=logged.position,
        kind=entry.kind,
        how=_HOW[entry.auth],
        reason="" if output else entry.reason,
        output=output,
        approvals=_approvals(page, logged),
        policies=_policies(page, logged),
        links=_links(page, entry),
        effects=found,
        cut=len(found) == MOST,
        trailers=_trailers(entry),
        before=_first(page, before),
        after=_first(page, later),
        before_of_model=_before_of_model(page, logged),
        moment=address(query={"at": logged.commit}),
        moment_before=address(query={"at": before[0].commit}) if before else "",
    )


def _approvals(page: Page, logged: Logged) -> list[tuple[str, str]]:
    """As its proposal said then."""
    approved = approvals(page.services.registry.history, logged)
    return [(each["actor"], each["comment"]) for each in approved]


def _policies(page: Page, logged: Logged) -> str:
    """The digest of all policies, if one had a say in it."""
    kept = next((path for path in logged.entry.records if path.startswith("decisions/")), None)
    data = page.services.registry.history.read(logged.commit, kept) if kept else None
    return str(json.loads(data)["digest"]) if data else ""


def _first(page: Page, found: list[Logged]) -> Knot | None:
    return next(iter(knots(page, found[:1])), None)


def _before_of_model(page: Page, logged: Logged) -> Knot | None:
    if logged.entry.model is None:
        return None
    wanted = ChangeFilter(model=logged.entry.model)
    found = page.services.registry.index.changes(wanted, before=logged.position, limit=1)
    return _first(page, found)


def _links(page: Page, entry: Entry) -> list[tuple[str, str, str]]:
    found = []
    if entry.model is not None:
        found.append(("Model", entry.model, page.to("m", entry.model)))
        if entry.number is not None:
            label = called(page.services.registry.index, entry.model, entry.number)
            found.append(("Version", label, page.to("m", entry.model, label)))
        for number in entry.also:
            label = called(page.services.registry.index, entry.model, number)
            found.append(("Also touches", label, page.to("m", entry.model, label)))
    if entry.environment is not None:
        found.append(("Environment", entry.environment, page.to("environments", entry.environment)))
    return found


def _trailers(entry: Entry) -> list[tuple[str, str]]:
    """What the commit's message says to programs."""
    block = compose(entry).rstrip("\n").rpartition("\n\n")[2]
    return [(key, value) for key, _, value in (line.partition(": ") for line in block.split("\n"))]
