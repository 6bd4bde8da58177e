"""Proposals as those see them who decide: what exactly would happen, who said what, who is needed yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from muster.domain import changes as c
from muster.domain.access import teams_of
from muster.domain.bindings import WORDS, version_of
from muster.domain.break_glass import Review, review_from_bytes, review_to_dict
from muster.domain.comparing import Side, compare
from muster.domain.errors import MusterError, NotFound, Objection
from muster.domain.evaluations import evaluations
from muster.domain.four_eyes import LASTS, Standing, objections, standing
from muster.domain.judging import Case, Rules
from muster.domain.messages import Entry, rfc3339
from muster.domain.plan import plan
from muster.domain.proposals import (
    OPEN,
    Decision,
    Open,
    Proposal,
    decision_to_dict,
    proposal_from_bytes,
    proposal_of,
    proposal_path,
)
from muster.domain.proposing import asked
from muster.domain.protected import Demand
from muster.domain.records import Config, Json
from muster.domain.snapshot import Snapshot
from muster.service.gate import Sight
from muster.service.past import field_changes
from muster.service.ports import Clock
from muster.service.registry import Registry, change_view

FOLDER: Final = "proposals"
REVIEWS: Final = "reviews"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which proposals a list is to hold."""

    state: str | None = None
    environment: str | None = None
    model: str | None = None
    waiting_for: str | None = None


class ProposalViews:
    """Reads of what waits, as far as somebody may see it. Every method may block."""

    def __init__(self, registry: Registry, rules: Rules, clock: Clock) -> None:
        self._registry = registry
        self._rules = rules
        self._clock = clock

    def all(self, wanted: Wanted, actor: c.Actor, sight: Sight | None) -> list[dict[str, Json]]:
        """Those that match all of it, the newest first, in short."""
        with self._registry.whole.snapshot() as now:
            found = _in_state(wanted.state, now)
            shown = [
                self._short(each, now)
                for each in reversed(found)
                if (wanted.state is None or each.state == wanted.state)
                and _is_seen(each, now, actor, sight)
                and (wanted.waiting_for is None or self._waits_for(each, wanted.waiting_for, now))
            ]
        return [
            each
            for each in shown
            if wanted.model in (None, each["model"]) and wanted.environment in (None, *each["environments"])
        ]

    def one(self, of: str, actor: c.Actor, sight: Sight | None) -> dict[str, Json]:
        """One with all that is known of it. Raises NotFound, also for what is out of sight."""
        with self._registry.whole.snapshot() as now:
            data = now.document(proposal_path(of))
            found = proposal_from_bytes(data) if data is not None else None
            if found is None or not _is_seen(found, now, actor, sight):
                raise NotFound("proposal", of)
            shown = self._short(found, now)
            now_standing = self._standing(found, now)
            log = now.document_log(proposal_path(of))
            shown |= {
                "change": dict(found.wanted),
                "bound": dict(found.bound),
                "decisions": list(_decisions(found, log, now_standing)),
                "effect": self._effect(found, now),
                "objections": self._objections(found, now),
            }
            if found.state == "open" and now_standing is not None:
                against = list(objections(found, actor.name, now_standing.demands, now))
                if actor.name in now_standing.counted:
                    against.append(Objection("once", f"{actor.name} has approved it already"))
                shown["you"] = {"may_approve": not against, "objections": list(map(_objection, against))}
        carried = self._carried_out(of) if found.state == "applied" else None
        return shown | ({"carried_out": carried} if carried else {})

    def reviews(self, state: str | None, sight: Sight | None) -> list[dict[str, Json]]:
        """What was done with the break-glass role, the newest first, each with its change."""
        found = []
        for document in reversed(self._registry.whole.documents(REVIEWS)):
            review = review_from_bytes(document.record)
            if state in (None, review.state) and _model_is_seen(review.model, sight):
                found.append(self._review(review, document.path))
        return found

    def review(self, of: str, sight: Sight | None) -> dict[str, Json]:
        """One of them. Raises NotFound."""
        for each in self.reviews(None, sight):
            if each["id"] == of:
                return each
        raise NotFound("review", of)

    def _review(self, review: Review, path: str) -> dict[str, Json]:
        history = self._registry.whole.document_history(path, limit=1000)
        return review_to_dict(review) | {"by": change_view(history[-1])}

    # ------------------------------------------------------------ parts

    def _short(self, proposal: Proposal, now: Snapshot) -> dict[str, Json]:
        log = now.document_log(proposal_path(proposal.id))
        first = log[0]
        stands = self._standing(proposal, now)
        missing = stands.missing if stands else ()
        demands = stands.demands if stands else ()
        places = [each.environment for each in demands]
        return {
            "id": proposal.id,
            "state": proposal.state,
            "subject": proposal.subject,
            "kind": str(proposal.wanted["kind"]),
            "model": first.model,
            "number": first.number,
            "environments": sorted({*places, *((first.environment,) if first.environment else ())}),
            "requester": proposal.requester,
            "verified": proposal.auth not in ("none", "import"),
            "reason": proposal.reason,
            "created_at": rfc3339(first.time),
            "lapses_at": rfc3339(first.time + LASTS),
            "last_updated": rfc3339(log[-1].time),
            "demands": list(map(_demand, demands)),
            "missing": list(map(_demand, missing)),
            "approvals": list(stands.counted) if stands else [],
            "changed": [WORDS[each] for each in stands.changed] if stands and proposal.decisions else [],
        }

    def _standing(self, proposal: Proposal, now: Snapshot) -> Standing | None:
        """How it stands; None if it is closed, or can be done no more."""
        if proposal.state != "open":
            return None
        try:
            return standing(proposal, now, self._clock())
        except MusterError:
            return None

    def _waits_for(self, proposal: Proposal, actor: str, now: Snapshot) -> bool:
        """Whether an approval of that person would be a step."""
        stands = self._standing(proposal, now)
        if stands is None or stands.enough or self._clock() >= stands.ends or actor in stands.counted:
            return False
        still = {each.team for each in stands.missing}
        return bool(still & set(teams_of(now, actor))) and not any(
            objections(proposal, actor, stands.demands, now)
        )

    def _objections(self, proposal: Proposal, now: Snapshot) -> list[dict[str, Json]]:
        """What else stands against it as things are, though everybody approved."""
        if proposal.state != "open":
            return []
        try:
            planned = plan(proposal.change, now)
            self._rules.admit(proposal.change, proposal.actor, now)
        except MusterError as refused:
            return [{"rule": refused.code, "message": refused.message, "help": ""}]
        case = Case(proposal.change, proposal.actor, proposal.reason, self._clock(), planned)
        return [_objection(each) for each in self._rules.objections(case, now) if each.rule != "approvals"]

    def _effect(self, proposal: Proposal, now: Snapshot) -> dict[str, Json]:
        """What is different then: of the version, against the one it replaces; and of every record."""
        change, before, after = proposal.change, None, None
        replaced = proposal.bound.get("replaces")
        if isinstance(change, (c.Deploy, c.RollBack, c.Undeploy)):
            if isinstance(replaced, Mapping):
                config = Config(**replaced["config"])
                before = _side(now, change.model, int(replaced["version"]), config)
            if isinstance(change, c.Deploy):
                after = _side(now, change.model, change.number, change.config)
        elif isinstance(change, c.SetAlias) and isinstance(replaced, int):
            before = _side(now, change.model, replaced)
        if after is None and not isinstance(change, c.Undeploy):
            subject = _subject(change, now)
            after = _side(now, *subject, before.config if before else None) if subject else None
        return {
            "replaces": before and before.version.model_id,
            "proposed": after and after.version.model_id,
            "differences": [each.view() for each in compare(before, after)] if after or before else [],
            "changes": self._changes(proposal, now),
        }

    def _changes(self, proposal: Proposal, now: Snapshot) -> list[dict[str, Json]]:
        """The fields of records that would be other ones, as things are now."""
        head = self._registry.whole.head()
        if proposal.state != "open" or head is None:
            return []
        try:
            edits = plan(proposal.change, now).edits
        except MusterError:
            return []
        history = self._registry.history
        sides = ((path, history.read(head, path), after) for path, after in sorted(edits.items()))
        return [each.view() for each in field_changes(sides)]

    def _carried_out(self, of: str) -> dict[str, Json] | None:
        """The change that it became."""
        written = self._registry.whole.document_history(proposal_path(of), limit=10)
        done = next((each for each in written if each.entry.proposal == of), None)
        return change_view(done) if done else None


def _in_state(state: str | None, now: Snapshot) -> list[Proposal]:
    """Those that may be in that state, oldest first: the open ones are found without reading all."""
    if state == "open":
        return [proposal_of(now, each) for each in sorted(Open.read(now).changes)]
    return [proposal_from_bytes(data) for path, data in now.documents(FOLDER) if path != OPEN]


def _side(now: Snapshot, model: str, number: int, config: Config | None = None) -> Side | None:
    version = now.version(model, number)
    if version is None:
        return None
    return Side(version, config, evaluations(now, model, number))


def _subject(change: c.Change, now: Snapshot) -> tuple[str, int] | None:
    try:
        return version_of(change, now)
    except MusterError:
        return None


def _decisions(
    proposal: Proposal, log: tuple[Entry, ...], stands: Standing | None
) -> Iterator[dict[str, Json]]:
    """Each with its time, and whether it counts."""
    made = [each for each in log if each.kind == "decide"]
    last = {each.actor: at for at, each in enumerate(proposal.decisions)}
    for at, (decision, entry) in enumerate(zip(proposal.decisions, made, strict=True)):
        shown = decision_to_dict(decision) | {"time": rfc3339(entry.time)}
        if stands is not None:
            counts = decision.actor in stands.counted and last[decision.actor] == at
            against = stands.against.get(decision.actor)
            shown |= {"counts": counts, "why_not": _why_not(decision, against, counts)}
        yield shown


def _why_not(decision: Decision, against: Objection | None, counts: bool) -> str:
    if counts:
        return ""
    if against is not None:
        return against.message
    return ", ".join(f"{WORDS[each]} changed since" for each in decision.lapsed)


def _is_seen(proposal: Proposal, now: Snapshot, actor: c.Actor, sight: Sight | None) -> bool:
    """Whether the actor may know of it: what is about a model out of sight looks as if it were not there."""
    if sight is None:
        return True
    model = now.document_log(proposal_path(proposal.id))[0].model
    if model is not None:
        return model in sight.models
    return actor.name == proposal.requester or bool(_teams(proposal, now) & set(teams_of(now, actor.name)))


def _teams(proposal: Proposal, now: Snapshot) -> set[str]:
    return {each.team for each in asked(proposal, now)}


def _model_is_seen(model: str | None, sight: Sight | None) -> bool:
    return sight is None or (model is not None and model in sight.models)


def _demand(demand: Demand) -> dict[str, Json]:
    return {"environment": demand.environment, "from": demand.team, "count": demand.count}


def _objection(objection: Objection) -> dict[str, Json]:
    return {"rule": objection.rule, "message": objection.message, "help": objection.help}
