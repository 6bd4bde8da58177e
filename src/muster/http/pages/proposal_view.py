"""What the page of a proposal shows: the exact effect, the rules, who said what, and what one may do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from muster.domain.bindings import WORDS
from muster.domain.change_codec import change_from_dict
from muster.domain.changes import Change, Decide, Withdraw
from muster.domain.comparing import PARTS
from muster.domain.errors import Objection
from muster.domain.proposals import proposal_path
from muster.domain.records import Config
from muster.http.pages.effect_view import Effect, Subject, difference, effects
from muster.http.pages.foresight_view import MINUS, Foresight, Row, settings
from muster.http.pages.metrics_view import Compared, compared
from muster.http.pages.page import Mark, Page
from muster.http.pages.proposals_view import Row as Proposed
from muster.http.pages.proposals_view import against, row
from muster.http.pages.rendering import figure, size
from muster.service.past import FieldChange

_COMMITS: Final = 1000  # of one proposal
_REASON: Final = "as an example"  # the rules that ask for one are asked again with the true one
_SIGNS: Final = f"+{MINUS}"
_DID: Final = {"approve": "approved", "reject": "rejected it"}
_KNOTS: Final = {"approve": "approve", "reject": "fail", "withdraw": "note", "lapse": "note"}


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody did with the proposal; `why_not` says why an approval does not count (any more)."""

    knot: str
    what: str
    comment: str
    mark: Mark
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Approvals that an environment demands of a team, and how many of them are missing."""

    count: int
    team: str
    environment: str
    missing: int


@dataclass(frozen=True, slots=True)
class May:
    """What who looks may not do with it, and by which rules."""

    approve: tuple[Objection, ...]
    reject: tuple[Objection, ...]
    withdraw: tuple[Objection, ...]
    break_glass: tuple[Objection, ...]


@dataclass(frozen=True, slots=True)
class ProposalView:
    """All of it. `seen` stands for the effect that is shown; `may` is None where nothing is open."""

    row: Proposed
    is_open: bool
    verified: bool
    effect: Foresight
    caption: str
    records: list[Effect]
    objections: Sequence[Mapping[str, Any]]
    asked: list[Asked]
    approvals: list[str]
    changed: Sequence[str]
    said: list[Word]
    bound: list[tuple[str, str]]
    carried: Mark | None
    may: May | None
    is_last: bool
    is_mine: bool
    seen: str
    links: list[tuple[str, str]]


def proposal_view(page: Page, of: str) -> ProposalView:
    """The proposal as it stands now. Raises NotFound, also for what is out of sight."""
    actor = page.visitor.actor
    record = page.services.proposal_views.one(of, actor, page.services.gate.sight(actor))
    effect, is_open = record["effect"], record["state"] == "open"
    carried = record.get("carried_out")
    done = page.services.registry.index.change(carried["commit"]) if carried else None
    may = _may(page, of, change_from_dict(record["change"])) if is_open else None
    return ProposalView(
        row=row(page, record),
        is_open=is_open,
        verified=record["verified"],
        effect=_foresight(page, record),
        caption=_caption(record),
        records=effects(page, [FieldChange(**each) for each in effect["changes"]], _subject(record)),
        objections=record["objections"],
        asked=_asked(record),
        approvals=record["approvals"],
        changed=record["changed"],
        said=list(_said(page, record)),
        bound=_bound(record["bound"]),
        carried=page.mark(done) if done else None,
        may=may,
        is_last=sum(each["count"] for each in record["missing"]) == 1 and not record["objections"],
        is_mine=record["requester"] == actor.name,
        seen=seen_of(record),
        links=_links(page, record),
    )


def seen_of(record: Mapping[str, Any]) -> str:
    """Stands for what a proposal would do: who approves, approves what they were shown."""
    said = [record["change"], record["effect"]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def seen_now(page: Page, of: str) -> str:
    """The same of the proposal as it is now. Raises NotFound."""
    actor = page.visitor.actor
    return seen_of(page.services.proposal_views.one(of, actor, page.services.gate.sight(actor)))


def glass_broken(page: Page, of: str) -> Change:
    """What is proposed, as a change to be made without approval. Raises NotFound."""
    actor = page.visitor.actor
    record = page.services.proposal_views.one(of, actor, page.services.gate.sight(actor))
    return replace(change_from_dict(record["change"]), break_glass=True)


def _may(page: Page, of: str, change: Change) -> May:
    who = page.visitor.actor.name
    return May(
        approve=against(page, Decide(of, "approve", who)),
        reject=against(page, Decide(of, "reject", who)),
        withdraw=against(page, Withdraw(of, who)),
        break_glass=against(page, replace(change, break_glass=True), _REASON),
    )


def _links(page: Page, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(each, page.to("environments", each)) for each in record["environments"]]
    return [(record["model"], page.to("m", record["model"])), *found] if record["model"] else found


def _subject(record: Mapping[str, Any]) -> Subject:
    environments = record["environments"]
    return Subject(record["model"], record["number"], environments[0] if len(environments) == 1 else None)


def _asked(record: Mapping[str, Any]) -> list[Asked]:
    missing = {(each["environment"], each["from"]): each["count"] for each in record["missing"]}
    return [
        Asked(
            each["count"],
            each["from"],
            each["environment"],
            missing.get((each["environment"], each["from"]), 0),
        )
        for each in record["demands"]
    ]


# ------------------------------------------------------------ what was said


def _said(page: Page, record: Mapping[str, Any]) -> Iterator[Word]:
    """What was done with it, oldest first."""
    path = proposal_path(record["id"])
    history = page.services.registry.whole.document_history(path, limit=_COMMITS)
    decisions = iter(record["decisions"])
    for logged in reversed(history):
        mark = page.mark(logged)
        match logged.entry.kind:
            case "propose":
                yield Word("propose", "asked", record["reason"], mark)
            case "decide":
                decision = next(decisions)
                verdict = decision["verdict"]
                why_not = decision.get("why_not", "")
                yield Word(_KNOTS[verdict], _DID[verdict], decision["comment"], mark, why_not)
            case "withdraw" | "lapse" as kind:
                what = "withdrew it" if kind == "withdraw" else "had it lapse"
                yield Word(_KNOTS[kind], what, logged.entry.reason, mark)
            case _ if logged.entry.proposal == record["id"]:
                yield Word("deploy", "had it carried out", "", mark)


def _bound(bound: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the approvals are for, in short."""
    found = []
    for name, value in bound.items():
        words = WORDS.get(name, name)
        match value:
            case {"version": int(number)}:
                text = f"version {number}"
            case dict() if name == "files":
                text = f"{len(value)} {'file' if len(value) == 1 else 'files'}"
            case str() if len(value) > 40:
                text = f"{value[:12]}…"
            case dict() | list() | None:
                continue
            case _:
                text = str(value)
        found.append((words[0].upper() + words[1:], text))
    return found


# ------------------------------------------------------------ the effect


def _caption(record: Mapping[str, Any]) -> str:
    replaced, proposed = record["effect"]["replaces"], record["effect"]["proposed"]
    if replaced and proposed:
        return f"Replaces {replaced} with {proposed}"
    return f"Nothing is there that {proposed} would replace" if proposed else "What it does"


def _foresight(page: Page, record: Mapping[str, Any]) -> Foresight:
    """The semantic difference as rows; and the parts that stay as they are."""
    effect = record["effect"]
    found = effect["differences"]
    rows: list[Row] = []
    if effect["replaces"] != effect["proposed"]:
        was, becomes = effect["replaces"] or "", effect["proposed"] or ""
        so = "" if was else "nothing of it is there now"
        rows.append(Row("Version", was, becomes, so, mono=True))
    for part in PARTS:
        rows += _rows(
            page, part, [each for each in found if each["part"] == part], is_new=not effect["replaces"]
        )
    differ = {each["part"] for each in found}
    both = effect["replaces"] and effect["proposed"]
    return Foresight(rows, [part for part in PARTS if both and part not in differ], (), [], nothing=False)


def _rows(page: Page, part: str, found: Sequence[Mapping[str, Any]], *, is_new: bool) -> Iterator[Row]:
    if part in ("metrics", "evidence"):
        ours = {each["field"]: each["after"] for each in found if each["after"] is not None}
        theirs = {each["field"]: each["before"] for each in found if each["before"] is not None}
        yield from (_metric(each, is_new=is_new) for each in compared(ours, theirs))
        return
    if part == "configuration":
        yield from _configured(page, found)
        return
    for each in found:
        if part == "files":
            yield _file(each["field"], each["before"], each["after"], is_new=is_new)
            continue
        told = difference(page, each["field"].replace("_", " "), each["before"], each["after"])
        if told is not None:
            yield Row(told.what, told.was or "", told.became or "", _WHAT[part])


_WHAT: Final = {
    "data": "what it was trained on",
    "parameters": "a parameter of its training",
    "origin": "where it comes from",
    "description": "what is said of it",
}


def _metric(metric: Compared, *, is_new: bool) -> Row:
    was, becomes = ("" if value is None else figure(value) for value in (metric.theirs, metric.ours))
    if not metric.change:
        so = "" if is_new else "not measured before" if metric.theirs is None else "not measured for it"
        return Row(metric.name, was, becomes, so)
    shape = {"up": "ready", "down": "drifted"}.get(metric.bar, "")
    return Row(metric.name, was, becomes, f"by {metric.change.lstrip(_SIGNS)}", metric.it_is, shape)


def _file(path: str, before: Any, after: Any, *, is_new: bool) -> Row:
    was, becomes = (f"{each['sha256'][:12]}…" if each else "" for each in (before, after))
    if after is None:
        so = "not part of it"
    elif before is None:
        so = size(after["size"]) if is_new else f"{size(after['size'])}, new"
    else:
        so = f"{size(after['size'])}, other content"
    return Row(path, was, becomes, so, mono=True)


def _configured(page: Page, found: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """How it is to run; of a new deployment only what is not as usual."""
    usual = settings(Config())
    for each in found:
        told = difference(page, each["field"].replace("_", " "), each["before"], each["after"])
        if told is None or (each["before"] is None and told.became in usual.values()):
            continue
        yield Row(told.what, told.was or "", told.became or "", "how it runs")
