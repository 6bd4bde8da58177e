"""What served a model at a moment, as its page says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from muster.domain.errors import NotFound
from muster.http.pages import moments
from muster.http.pages.links import address
from muster.http.pages.page import Mark, Page
from muster.http.pages.times import When
from muster.service.served import Served, served_at


@dataclass(frozen=True, slots=True)
class Asked:
    """The question, as it was typed."""

    model: str
    time: str
    environment: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen there."""

    state: str
    number: int | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Answer:
    """What served in one environment."""

    environment: str
    label: str
    href: str
    model_id: str
    files: Sequence[Any]
    by: Mark
    proposal: str
    proposal_href: str
    approvals: Sequence[Any]
    recorded: bool
    seen: list[Seen]


@dataclass(frozen=True, slots=True)
class Answered:
    """What served at `when`, as the commit `commit` left it."""

    when: When
    commit: str
    commit_href: str
    then_href: str
    found: list[Answer]


def asked(page: Page) -> Asked:
    """What the address asks; without a time it is the moment that the page shows."""
    time = page.query.get("time", "").strip() or page.moment or ""
    return Asked(page.query.get("model", "").strip(), time, page.query.get("environment", "").strip())


def answered(page: Page, question: Asked) -> Answered:
    """The answer. Raises NotFound and Invalid, naming the field."""
    registry, past = page.services.registry, page.services.past
    if not question.time:
        newest = registry.index.newest()
        if newest is None:
            raise NotFound("moment", "nothing was recorded yet")
        at, time = newest, page.now
    elif moments.is_commit(question.time):
        at = past.at(question.time)
        time = at.entry.time
    else:
        time = moments.moment(question.time, "time")
        at = past.at(moments.written(time))
    past.model(at, question.model)
    found = served_at(
        registry.index, registry.history, past, at, question.model, question.environment or None
    )
    return Answered(
        when=page.when(time),
        commit=at.commit,
        commit_href=page.to("history", at.commit),
        then_href=address("m", question.model, query={"at": moments.written(time)}),
        found=[_answer(page, each) for each in found],
    )


def _answer(page: Page, served: Served) -> Answer:
    version, proposal = served.version, served.by.entry.proposal or ""
    label = version.label or str(version.number)
    return Answer(
        environment=served.deployment.environment,
        label=label,
        href=page.to("m", version.model, label),
        model_id=version.model_id,
        files=version.files,
        by=page.mark(served.by),
        proposal=proposal,
        proposal_href=page.to("proposals", proposal) if proposal else "",
        approvals=served.approvals,
        recorded=served.deployment.recorded,
        seen=[
            Seen(each.entry.observed or "", each.entry.number, page.mark(each)) for each in served.observed
        ],
    )
