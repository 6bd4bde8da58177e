"""What was measured of a version, on its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from muster.domain.errors import NotFound
from muster.http.pages.page import Mark, Page
from muster.service.evidence import Evidence, Found

SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One evaluation; `of_others` says that the version had other files then."""

    number: int
    metrics: Mapping[str, float]
    data: str
    sha256: str
    report: str
    report_href: str
    evaluator: str
    notes: str
    of_others: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class Evaluations:
    """The newest first, and how many more there are."""

    shown: list[Evaluated]
    more: int


def evaluations(page: Page, model: str, number: int) -> Evaluations:
    """The evaluations of a version that were there at the page's moment."""
    try:
        found = Evidence(page.services.registry).of(model, number)
    except NotFound:  # a version of the past that was deleted since
        found = []
    if page.at is not None:
        found = [each for each in found if each.by.position <= page.at.position]
    where = f"/api/v1/models/{quote(model, safe='')}/versions/{number}/evaluations"
    return Evaluations([_shown(page, each, where) for each in found[:SHOWN]], max(0, len(found) - SHOWN))


def _shown(page: Page, found: Found, where: str) -> Evaluated:
    said = found.evaluation
    data = said.dataset or {}
    return Evaluated(
        number=said.number,
        metrics=said.metrics,
        data=data.get("name") or data.get("uri") or "",
        sha256=data.get("sha256") or "",
        report=said.report.path if said.report else "",
        report_href=f"{where}/{said.number}/report",
        evaluator=said.evaluator if said.evaluator != said.by else "",
        notes=said.notes,
        of_others=not found.same_files,
        mark=page.mark(found.by),
    )
