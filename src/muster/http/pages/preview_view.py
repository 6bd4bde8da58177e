"""What a write would do, shown before it is done; and that nothing else is done than what was shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from muster.domain.approvals import RULE as APPROVALS
from muster.domain.changes import Change
from muster.domain.errors import Objection
from muster.http.pages.effect_view import MOST, Effect, Subject, effects
from muster.http.pages.forms import TOKEN, Posted, objections_of
from muster.http.pages.page import Page
from muster.service.past import field_changes

SURE = "sure"


@dataclass(frozen=True, slots=True)
class Preview:
    """The fields that would change (`cut` if there are more), and what stands against it.

    `waits` are the approvals that it takes: it may be asked for all the same.
    """

    subject: str
    effects: list[Effect]
    cut: bool
    objections: list[Objection]
    nothing: bool
    waits: list[Objection]


def preview(page: Page, change: Change, about: Subject, reason: str = "") -> Preview:
    """The dry run of `change`, as the API makes it."""
    found = page.services.registry.preview(change, page.visitor.actor, reason)
    told = effects(page, field_changes(found.edits), about)
    every = [each for error in found.objections for each in objections_of(error)]
    against = [each for each in every if each.rule != APPROVALS]
    waits = [each for each in every if each.rule == APPROVALS]
    return Preview(found.subject, told, len(told) == MOST, against, found.nothing, waits)


def stamp(posted: Posted) -> str:
    """What a form says, in short, but for the reason: the button that confirms it sends it back."""
    said = [field for field in posted.fields if field[0] not in (TOKEN, SURE, "reason")]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


def is_sure(posted: Posted) -> bool:
    """Whether the visitor has seen the effect of just what they now send."""
    return posted.text(SURE) == stamp(posted)
