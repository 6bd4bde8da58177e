"""The timeline of all models: which changes are asked for, and each with what it did."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Final

from muster.domain.changes import KINDS
from muster.domain.errors import Invalid, NotFound, Problem, shown
from muster.http.pages import moments
from muster.http.pages.changes_view import Knot, knots
from muster.http.pages.effect_view import Effect, Subject, effects
from muster.http.pages.page import Page
from muster.http.pages.reading import environments
from muster.http.pages.steps_view import steps
from muster.http.pages.strip_view import Strip, strip
from muster.service.values import ChangeFilter, Logged

ROWS: Final = 50
_FIELDS: Final = 5  # of a change in the list
# What people call what happened, and the kinds that it stands for; what is in none of them is `other`.
GROUPS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "deploy": ("deployed", ("deploy",)),
    "rollback": ("rolled back", ("rollback", "undeploy")),
    "failed": ("failed", ("deploy-failed",)),
    "register": ("registered", ("register", "create-model", "attach", "detach", "finalize")),
    "edit": ("edited", ("update", "update-model", "tag-model", "rename", "stage", "environment")),
    "alias": ("alias moved", ("alias",)),
    "note": ("noted", ("note",)),
    "delete": ("deleted", ("delete", "delete-model", "delete-environment")),
    "observe": ("observed", ("observe",)),
}
_PICKER: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
_GROUPED: Final = {kind for _, kinds in GROUPS.values() for kind in kinds}
_OTHER: Final = tuple(kind for kind in KINDS if kind not in _GROUPED)
# Their records hold nothing that is not said by their subject already.
_SAID: Final = frozenset({"note", "observe", "deploy-failed", "init", "attach", "detach"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as the address has them, and what is wrong with them, by field."""

    model: str = ""
    number: int | None = None
    environment: str = ""
    actor: str = ""
    kinds: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    before: str = ""
    problems: Mapping[str, Problem] = field(default_factory=dict)
    wanted: ChangeFilter = field(default_factory=ChangeFilter)

    @property
    def anything(self) -> bool:
        """Whether there is any filter."""
        return self.wanted != ChangeFilter() or bool(self.problems)


@dataclass(frozen=True, slots=True)
class Told:
    """A change in the list, the first few fields that it changed, and whether there are `more`."""

    knot: Knot
    effects: list[Effect]
    more: bool = False

    @property
    def count(self) -> str:
        """How many fields it changed, in words."""
        if self.more:
            return f"more than {len(self.effects)} fields"
        return "1 field" if len(self.effects) == 1 else f"{len(self.effects)} fields"


@dataclass(frozen=True, slots=True)
class Day:
    """The changes of one day, newest first."""

    name: str
    key: str
    changes: list[Told]


@dataclass(frozen=True, slots=True)
class History:
    """`count` changes match, of `total` up to the moment shown; `later` came after it."""

    total: int
    later: int
    asked: Asked
    kinds: list[tuple[str, str, bool]]
    environments: list[str]
    days: list[Day]
    shown: int
    count: int
    older: str
    newest: str
    left: int
    strip: Strip | None
    steps: list[tuple[str, str]]
    picked: str
    from_: str
    to: str
    live: bool

    def time_input(self, text: str) -> str:
        """The kind of field for a time: the browser's picker, unless it could not hold what was typed."""
        return "datetime-local" if not text or _PICKER.fullmatch(text) else "text"


def asked(query: Mapping[str, str]) -> Asked:
    """What the address asks for."""
    problems: dict[str, Problem] = {}

    def time(name: str) -> datetime | None:
        if not query.get(name):
            return None
        try:
            return moments.moment(query[name], name)
        except Invalid as invalid:
            problems[name] = invalid.problems[0]
            return None

    kinds = tuple(filter(None, query.get("kind", "").split(",")))
    for each in kinds:
        if each not in GROUPS and each not in KINDS and each != "other":
            problems["kind"] = Problem("kind", shown(each), "must be one of the words below")
    number = query.get("number", "")
    wanted = ChangeFilter(
        model=query.get("model", "").strip() or None,
        number=int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else None,
        environment=query.get("environment") or None,
        actor=query.get("actor", "").strip() or None,
        kinds=tuple(dict.fromkeys(kind for each in kinds for kind in _kinds(each))),
        since=time("since"),
        until=time("until"),
    )
    if wanted.number is not None and wanted.model is None:
        wanted = replace(wanted, number=None)
    return Asked(
        model=wanted.model or "",
        number=wanted.number,
        environment=wanted.environment or "",
        actor=wanted.actor or "",
        kinds=kinds,
        since=query.get("since", ""),
        until=query.get("until", ""),
        before=query.get("before", ""),
        problems=problems,
        wanted=wanted,
    )


def _kinds(word: str) -> tuple[str, ...]:
    if word in GROUPS:
        return GROUPS[word][1]
    return _OTHER if word == "other" else (word,)


def history(page: Page, asked: Asked) -> History:
    """The page of the timeline that is asked for.

    Raises:
        NotFound: it is to begin before a change that is not there.
    """
    index = page.services.registry.index
    newest = index.newest()
    last = newest.position if newest else 0
    total = page.at.position if page.at else last
    wanted = asked.wanted
    if page.at and (wanted.until is None or wanted.until > page.at.entry.time):
        wanted = replace(wanted, until=page.at.entry.time)
    before = _position(page, asked.before)
    found = [] if asked.problems else index.changes(wanted, before=before, limit=ROWS + 1)
    count = 0 if asked.problems else index.count_changes(wanted)
    rows = found[:ROWS]
    more = len(found) > ROWS
    return History(
        total=total,
        later=last - total,
        asked=asked,
        kinds=[
            (word, words, word in asked.kinds)
            for word, words in (*((word, told[0]) for word, told in GROUPS.items()), ("other", "other"))
        ],
        environments=[each.name for each in environments(page)],
        days=_days(page, rows),
        shown=len(rows),
        count=count,
        older=page.here(before=rows[-1].commit[:10]) if more else "",
        newest=page.here(before=None) if before is not None else "",
        left=index.count_changes(replace(wanted, until=found[-1].entry.time)) if more else 0,
        strip=strip(page),
        steps=steps(page, page.present()),
        picked=moments.picked(page.now),
        from_=moments.picked(page.now.replace(hour=0, minute=0, second=0)),
        to=moments.picked(page.now),
        live=page.at is None and before is None,
    )


def _position(page: Page, commit: str) -> int | None:
    if not commit:
        return None
    found = page.services.registry.index.change(commit)
    if found is None:
        raise NotFound("change", commit)
    return found.position


def _days(page: Page, rows: Iterable[Logged]) -> list[Day]:
    days = groupby(rows, key=lambda each: each.entry.time.date())
    return [
        Day(f"{day:%A} {day.day} {day:%B %Y}", f"d{day:%Y%m%d}", [_told(page, each) for each in changes])
        for day, changes in days
    ]


def _told(page: Page, logged: Logged) -> Told:
    (knot,) = knots(page, [logged])
    if logged.entry.kind in _SAID:
        return Told(knot, [])
    entry = logged.entry
    about = Subject(entry.model, entry.number, entry.environment)
    found = effects(page, page.services.past.fields(logged.commit), about)
    return Told(knot, found[:_FIELDS], len(found) > _FIELDS)
