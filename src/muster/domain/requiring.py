"""The judge of required fields: what lacks one is not registered, or not deployed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from muster.domain import changes as c
from muster.domain import codec
from muster.domain.acts import acts
from muster.domain.errors import Invalid, Objection
from muster.domain.judging import Case, Verdict
from muster.domain.names import model_path
from muster.domain.records import Json, Model
from muster.domain.requirements import (
    Cards,
    Lack,
    Requirement,
    Schemas,
    applying,
    instance,
    model_fields,
    requirements,
    review_of,
)
from muster.domain.situation import situations_of
from muster.domain.snapshot import Snapshot

_AGREED: Final = Verdict()


@dataclass(frozen=True, slots=True)
class Requiring:
    """The `Judge` of requirements: those in force before the change, be it one of them."""

    schemas: Schemas
    cards: Cards

    def __call__(self, case: Case, before: Snapshot) -> Verdict:
        """Raises Invalid for a requirement whose schema is none, Stale if a card changed at this moment."""
        if isinstance(case.change, c.SetRequirement):
            self.schemas.check(case.change.schema, "schema")
        if case.actor.internal:
            return _AGREED
        in_force = requirements(before)
        if not in_force:
            return _AGREED
        against = [*self._registering(case, before, in_force), *self._deploying(case, before, in_force)]
        # A change that does two things there is told once what stands against both.
        return Verdict(tuple(dict.fromkeys(against))) if against else _AGREED

    def _registering(
        self, case: Case, before: Snapshot, in_force: tuple[Requirement, ...]
    ) -> Iterator[Objection]:
        change = case.change
        # What is to be said of a pending version may come until it is finalized.
        if not isinstance(change, (c.RegisterVersion, c.Finalize)) or getattr(change, "pending", False):
            return
        planned = case.planned
        assert planned.model is not None
        assert planned.number is not None
        model = _model_after(case, before, planned.model)
        for each in applying(in_force, model.owner):
            if "register" in each.block:
                yield from self._lacking(each, case, before, model, planned.number)

    def _deploying(
        self, case: Case, before: Snapshot, in_force: tuple[Requirement, ...]
    ) -> Iterator[Objection]:
        for act in acts(case.change, case.planned, before, everywhere=True):
            if act.way != "in":
                continue
            name = act.environment.name
            there = before.deployment(name, act.model)
            if there is not None and there.version == act.number:
                continue  # it is there: another configuration is no new deployment
            model = _model_after(case, before, act.model)
            for each in applying(in_force, model.owner):
                if each.blocks("deploy", name):
                    yield from self._lacking(each, case, before, model, act.number)
                if each.blocks("review", name):
                    yield from _overdue(each, case, before, model, act.number)

    def _lacking(
        self, requirement: Requirement, case: Case, before: Snapshot, model: Model, number: int
    ) -> Iterator[Objection]:
        version = _version_after(case, before, model.name, number)
        card = self.cards.sections(model.name, model.card) if model.card else {}
        try:
            lacks = self.schemas.lacks(requirement.schema, instance(version, model_fields(model), card))
        except Invalid as invalid:  # it was right for the release that it was written with
            lacks = (Lack("schema", f"cannot be used: {invalid.message}"),)
        for lack in lacks:
            yield objection(requirement, f"{model.name} {version['version']}", lack)


def objection(requirement: Requirement, what: str, lack: Lack) -> Objection:
    """What is said of a version that lacks something."""
    who = "an admin" if requirement.team is None else f"a maintainer of team {requirement.team}"
    show = "registry" if requirement.team is None else requirement.team
    return Objection(
        f"required by {requirement.whose}",
        f"{what} lacks what {requirement.whose} requires: {lack}",
        f"say it, as with `muster update --tag`; {who} can change what is required: "
        f"`muster requirements show {show}`",
    )


def _overdue(
    requirement: Requirement, case: Case, before: Snapshot, model: Model, number: int
) -> Iterator[Objection]:
    version = _version_after(case, before, model.name, number)
    review = review_of({**model.tags, **version["tags"]})
    why = review.overdue(case.time.date()) if review else None
    if why is not None:
        yield Objection(
            f"review by {requirement.whose}",
            f"{model.name} {version['version']} is not to be deployed before it was reviewed: {why}",
            "review it, then say when the next one is due: `muster update --tag review_due=YYYY-MM-DD`",
        )


def _model_after(case: Case, before: Snapshot, name: str) -> Model:
    """The model once the change is made."""
    data = case.planned.edits.get(model_path(name))
    if data is not None:
        return codec.model_from_dict(codec.decode(data))
    model = before.model(name)
    assert model is not None
    return model


def _version_after(case: Case, before: Snapshot, model: str, number: int) -> dict[str, Json]:
    """The version as the API shows it once the change is made."""
    for situation in situations_of(case, before):
        if (situation.model, situation.number) == (model, number):
            found: dict[str, Json] = situation.inputs(["after"], None)["after"]
            return found
    shown = before.version_record(model, number)
    assert shown is not None
    return shown
