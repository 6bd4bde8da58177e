"""What a write would do, shown before it is done; and that nothing else is done than what was shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from muster.domain.changes import Change
from muster.domain.errors import Denied, MusterError
from muster.http.pages.effect_view import MOST, Effect, Subject, effects
from muster.http.pages.forms import TOKEN, Posted
from muster.http.pages.page import Page
from muster.service.past import field_changes

SURE = "sure"


@dataclass(frozen=True, slots=True)
class Preview:
    """The fields that would change (`cut` if there are more), and what stands against it, in words."""

    subject: str
    effects: list[Effect]
    cut: bool
    objections: list[tuple[str, str]]
    nothing: bool


def preview(page: Page, change: Change, about: Subject) -> Preview:
    """The dry run of `change`, as the API makes it."""
    found = page.services.registry.preview(change, page.visitor.actor)
    told = effects(page, field_changes(found.edits), about)
    against = [one for each in found.objections for one in _told(each)]
    return Preview(found.subject, told, len(told) == MOST, against, found.nothing)


def _told(refused: MusterError) -> list[tuple[str, str]]:
    """What it says, with who can help, and the name of the rule."""
    if isinstance(refused, Denied):
        return [(str(each), each.rule) for each in refused.objections]
    return [(refused.message, refused.code)]


def stamp(posted: Posted) -> str:
    """What a form says, in short, but for the reason: the button that confirms it sends it back."""
    said = [field for field in posted.fields if field[0] not in (TOKEN, SURE, "reason")]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


def is_sure(posted: Posted) -> bool:
    """Whether the visitor has seen the effect of just what they now send."""
    return posted.text(SURE) == stamp(posted)
