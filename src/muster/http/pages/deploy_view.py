"""What the page that deploys shows: what may be chosen, and what the choice would do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from muster.domain.changes import Deploy
from muster.domain.codec import config_to_dict
from muster.domain.errors import Invalid, MusterError, NotFound
from muster.domain.records import Config
from muster.http.pages.configuring import Typed, written
from muster.http.pages.foresight_view import Foresight, Running, foreseen
from muster.http.pages.forms import problems
from muster.http.pages.health import Health, rungs
from muster.http.pages.page import Page
from muster.http.pages.reading import Place, model_record, places, version_number, version_record, versions
from muster.http.pages.rendering import figure
from muster.http.pages.rollback_view import WayBack, way_back
from muster.http.pages.times import When

_NEWEST: Final = 6  # versions to choose from, beside those that are somewhere and the one that was asked for


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen. `typed` None: as it runs there, or as versions run unless told otherwise."""

    environment: str = ""
    version: str = ""
    typed: Typed | None = None
    reason: str = ""
    seen: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """An environment or version that may be chosen; `why_not` if it may not."""

    name: str
    chosen: bool
    note: str = ""
    aside: str = ""
    when: When | None = None
    rungs: int = 0
    health: Health | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class DeployView:
    """All of it. `seen` stands for the choice whose effect is shown; `expected` is the commit looked at."""

    model: str
    environments: list[Offered]
    versions: list[Offered]
    more: int
    choice: Choice
    typed: Typed
    environment: str
    version: str
    foresight: Foresight | None
    seen: str
    expected: str
    problems: Mapping[str, Any]
    all_problems: Sequence[Any]
    refused: MusterError | None
    is_other: bool
    back: WayBack | None


def change_of(page: Page, model: str, choice: Choice) -> Deploy:
    """The change that the choice asks for. Raises NotFound and Invalid."""
    config = choice.typed.parsed() if choice.typed else _config_there(page, model, choice.environment)
    number = version_number(page, model, choice.version)
    return Deploy(model, number, choice.environment, config, choice.expected or None)


def sign(change: Deploy) -> str:
    """Stands for what was chosen: who deploys does what they were shown, or is shown it first."""
    said = [change.model, change.number, change.environment, config_to_dict(change.config)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def deploy_view(
    page: Page, model: str, choice: Choice, refused: MusterError | None = None, *, is_other: bool = False
) -> DeployView:
    """The page for `choice`, of which what is left out is chosen. Blocks: files may be read. Raises NotFound.

    `is_other` says that the choice is another one than was shown when it was sent.
    """
    record = model_record(page, model)
    there = places(page, model)
    listed = _listed(page, model, there, choice.version)
    version = choice.version or next((each["version"] for each in listed if each["state"] != "pending"), "")
    number = next((each["number"] for each in listed if each["version"] == version), None)
    if number is None and version:
        number = version_number(page, model, version)
        version = next(each["version"] for each in listed if each["number"] == number)
    environment = choice.environment or _next_step(there, number)
    place = next((each for each in there if each.environment.name == environment), None)
    if place is None:
        raise NotFound("environment", environment)
    typed = choice.typed or written(_config_there(page, model, environment))
    chosen = Choice(environment, version, typed)
    foresight, seen = None, ""
    if version and not isinstance(refused, Invalid):
        try:
            change = change_of(page, model, chosen)
        except Invalid as invalid:
            refused = invalid
        else:
            now = _running(page, model, environment)
            foresight = foreseen(page, change, now, Running(change.number, change.config), choice.reason)
            seen = sign(change)
    return DeployView(
        model=model,
        environments=[
            Offered(
                each.environment.name,
                each.environment.name == environment,
                rungs=rungs(each.environment),
            )
            for each in reversed(there)
        ],
        versions=[_version(page, each, there, environment, version) for each in listed],
        more=max(0, record["next_number"] - 1 - len(listed)),
        choice=choice,
        typed=typed,
        environment=environment,
        version=version,
        foresight=foresight,
        seen=seen,
        expected=place.by.commit if place.by else "",
        problems=problems(refused),
        all_problems=refused.problems if isinstance(refused, Invalid) else (),
        refused=refused,
        is_other=is_other,
        back=way_back(page, model, environment),
    )


def _listed(page: Page, model: str, there: Sequence[Place], asked: str) -> list[dict[str, Any]]:
    """The versions to choose from, the newest first."""
    found = {each["number"]: each for each in versions(page, model, None, _NEWEST)}
    wanted = {place.number for place in there if place.number is not None}
    if asked:
        wanted.add(version_number(page, model, asked))
    for number in wanted - found.keys():
        found[number] = version_record(page, model, number)
    return [found[number] for number in sorted(found, reverse=True)]


def _next_step(there: Sequence[Place], number: int | None) -> str:
    """The first environment on the way to customers where the version is not yet."""
    upwards = [*reversed(there)]
    return next((p.environment.name for p in upwards if p.number != number), upwards[-1].environment.name)


def _running(page: Page, model: str, environment: str) -> Running | None:
    found = page.services.registry.deployment(environment, model)
    if found is None or found[0].version is None:
        return None
    return Running(found[0].version, found[0].config)


def _config_there(page: Page, model: str, environment: str) -> Config:
    running = _running(page, model, environment)
    return running.config if running else Config()


def _version(
    page: Page, record: Mapping[str, Any], there: Sequence[Place], environment: str, chosen: str
) -> Offered:
    metric = next(iter(record["metrics"].items()), None)
    note, health = _note(page, record, there, environment)
    pending = record["state"] == "pending"
    return Offered(
        name=record["version"],
        chosen=record["version"] == chosen,
        note=note,
        aside=f"{metric[0]} {figure(metric[1])}" if metric else "",
        when=page.when(record["created_at"]),
        health=health,
        why_not="its set of files is not fixed yet" if pending else "",
    )


def _note(
    page: Page, record: Mapping[str, Any], there: Sequence[Place], environment: str
) -> tuple[str, Health | None]:
    """Where the version is, or was tried."""
    number = record["number"]
    runs = [place for place in there if place.number == number]
    here = next((place for place in there if place.environment.name == environment), None)
    if runs:
        names = [place.environment.name for place in runs]
        is_here = environment in names
        listed = " and in ".join(names)
        since = f" for {page.when(runs[0].by.entry.time).age}" if runs[0].by else ""
        return f"In {listed}{' now' if is_here else ''}, {runs[0].health.word}{since}", runs[0].health
    tried = [place for place in there if place.tried and place.tried.entry.number == number]
    if tried:
        return f"Did not start in {tried[0].environment.name}", Health("failed", "did not start")
    if here and any(s.number == number and not s.active and s.health == "ready" for s in here.states):
        return f"Stands by in {environment}, warm; to return to it, roll back", None
    if record["state"] == "pending":
        return "Pending: its files are not fixed yet", None
    return (
        "Nowhere yet" if record["files"] else "Nowhere; it has no files, so nothing of it would run"
    ), None
