"""What the pages of policies show: the rules in force, and what one would have stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from muster.domain import policies
from muster.domain.changes import SetPolicy
from muster.domain.errors import Invalid, NotFound, Objection
from muster.domain.records import Policy
from muster.http.pages import moments
from muster.http.pages.changes_view import Knot, knots
from muster.http.pages.forms import Posted
from muster.http.pages.page import Mark, Page
from muster.service.replay import Replay

STOPPED = 50  # changes in the table
_AT_ONCE = 5_000  # changes that are looked at for it
FIELDS = ("name", "expression", "message", "description", "on", "environments", "models")


@dataclass(frozen=True, slots=True)
class Row:
    """A policy in the list; `by` last changed it. `broken` says why it cannot be read."""

    name: str
    href: str
    policy: Policy | None
    by: Mark | None
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A change that was made, and what the policy has against it."""

    knot: Knot
    objections: tuple[Objection, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What it would have stopped: `asked` of the `seen` changes it had a say in; `is_all` of the history."""

    stopped: list[Stopped]
    seen: int
    asked: int
    is_all: bool


@dataclass(frozen=True, slots=True)
class PolicyView:
    """A policy and the form that changes it."""

    name: str
    typed: dict[str, str]
    by: Mark | None


def listed(page: Page) -> list[Row]:
    """The policies by name, now or as they were."""
    if page.at is not None:
        walked = page.services.registry.history.walk(page.at.commit, policies.FOLDER)
        return [_row(page, path, data, None) for path, data in walked]
    found = page.services.registry.index.documents(policies.FOLDER)
    return [_row(page, each.path, each.record, page.mark(each.by)) for each in found]


def _row(page: Page, path: str, data: bytes, by: Mark | None) -> Row:
    name = policies.name_of(path)
    try:
        return Row(name, page.to("policies", name), policies.from_bytes(data), by)
    except Invalid as broken:
        return Row(name, page.to("policies", name), None, by, broken.message)


def policy_view(page: Page, name: str, posted: Posted | None = None) -> PolicyView:
    """The policy, or what was typed of it. Raises NotFound."""
    rows = [each for each in listed(page) if each.name == name]
    if not rows:
        raise NotFound("policy", name)
    return PolicyView(name, typed(posted) if posted else _written(rows[0]), rows[0].by)


def _written(row: Row) -> dict[str, str]:
    said = policies.to_dict(row.policy) if row.policy else {"name": row.name, "enabled": True}
    found = {name: _text(said.get(name, "")) for name in FIELDS}
    return found | {"enabled": "yes" if said["enabled"] else "", "reason": "", "since": ""}


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def typed(posted: Posted) -> dict[str, str]:
    """What was typed, field by field."""
    return {name: posted.text(name) for name in (*FIELDS, "enabled", "reason", "since")}


def body_of(posted: Posted) -> dict[str, Any]:
    """The same, as the parsers of the API want it."""
    lists = {name: posted.text(name).replace(",", " ").split() for name in ("on", "environments")}
    models = [each.strip() for each in posted.text("models").split(",") if each.strip()]
    texts = {name: posted.text(name) for name in ("expression", "message", "description")}
    return {**texts, **lists, "models": models, "enabled": posted.text("enabled") == "yes"}


def replayed(page: Page, policy: Policy, since: str) -> Replayed:
    """What it would have stopped from then on. Blocks. Raises Invalid, and Denied to who may not set it."""
    services = page.services
    registry = services.registry
    registry.preview(SetPolicy(policy), page.visitor.actor)
    replay = Replay(registry.index, registry.history, services.past, services.evaluator)
    after = replay.first_after(moments.moment(since, "since") if since else None)
    found = replay.page(policy, after=after, limit=STOPPED, at_once=_AT_ONCE)
    stopped = [
        Stopped(knot, each.objections)
        for each, knot in zip(
            found.stopped, knots(page, [each.logged for each in found.stopped]), strict=True
        )
    ]
    return Replayed(stopped, found.seen, found.asked, found.next is None)
