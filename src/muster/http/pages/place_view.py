"""What of a model is in one environment: declared and observed, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from muster.domain.codec import config_to_dict
from muster.domain.messages import rfc3339
from muster.domain.records import Config, Environment
from muster.http.pages.changes_view import Knot, knots, latest
from muster.http.pages.effect_view import difference
from muster.http.pages.environments_view import TARGETS
from muster.http.pages.health import Health, health, rungs
from muster.http.pages.labels import called
from muster.http.pages.page import Mark, Page
from muster.http.pages.reading import model_record, place_then, places
from muster.http.pages.times import When
from muster.service.observing import Report
from muster.service.values import ChangeFilter, InstanceState

HISTORY: Final = 10
_ALWAYS: Final = ("replicas", "threads")


@dataclass(frozen=True, slots=True)
class Instance:
    """A version that this server runs there, or ran."""

    label: str
    href: str
    health: Health
    role: str
    facts: list[tuple[str, str]]
    since: When | None
    output: str


@dataclass(frozen=True, slots=True)
class Reported:
    """What an instance outside said: a version, or `digest`, the sha256 of a file that is none of ours."""

    instance: str
    label: str
    href: str
    digest: str
    as_declared: bool
    known: bool
    since: When
    seen: When


@dataclass(frozen=True, slots=True)
class PlaceView:
    """`label` is of what is declared, "" if nothing is; `since` is how long it has been as it stands."""

    model: str
    model_href: str
    environment: Environment
    environment_href: str
    rungs: int
    target: str
    label: str
    href: str
    mark: Mark | None
    config: list[tuple[str, str]]
    health: Health
    since: When | None
    failed: Mark | None
    instances: list[Instance]
    reports: list[Reported]
    history: list[Knot]
    report_command: str
    desired_command: str


def place_view(page: Page, environment: str, model: str) -> PlaceView:
    """The place now, or as it was. Raises NotFound."""
    model_record(page, model)
    record = _environment(page, environment)
    if page.at is not None:
        place = place_then(page, record, model)
        reports: Sequence[Report] = page.services.past.reports(page.at, environment, model)
        deployment = page.services.past.deployment(page.at, environment, model)
        shown, since = place.health, None
    else:
        place = next(each for each in places(page, model) if each.environment.name == environment)
        reports = page.services.observer.reports(environment, model)
        found = page.services.registry.deployment(environment, model)
        deployment = found[0] if found else None
        status = page.services.observer.judged(record, model, found)
        shown, since = health(status), page.when(status.since) if status.since else None
    config = deployment.config if deployment and place.number is not None else None
    wanted = ChangeFilter(model=model, environment=environment)
    return PlaceView(
        model=model,
        model_href=page.to("m", model),
        environment=record,
        environment_href=page.to("environments", environment),
        rungs=rungs(record),
        target=TARGETS.get(record.target, record.target),
        label=place.label,
        href=page.to("m", model, place.label) if place.label else "",
        mark=page.mark(place.by) if place.by else None,
        config=_config(page, config) if config else [],
        health=shown,
        since=since,
        failed=page.mark(place.tried) if place.tried else None,
        instances=[_instance(page, model, state) for state in place.states],
        reports=[_reported(page, model, each, place.number) for each in reports],
        history=knots(page, latest(page, wanted, HISTORY), of=model),
        report_command=_report(page, environment, model, place.label or "v1.0"),
        desired_command=_desired(page, environment, model),
    )


def _environment(page: Page, name: str) -> Environment:
    if page.at is not None:
        return page.services.past.environment(page.at, name)
    return page.services.registry.environment(name)[0]


def _config(page: Page, config: Config) -> list[tuple[str, str]]:
    """How it runs, where that is not as it would be by itself."""
    usual: dict[str, Any] = config_to_dict(Config())
    told = []
    for name, value in config_to_dict(config).items():
        effect = difference(page, name.replace("_", " "), None, value)
        if effect is not None and (value != usual[name] or name in _ALWAYS):
            told.append((effect.what, effect.became or ""))
    return told


def _instance(page: Page, model: str, state: InstanceState) -> Instance:
    label = called(page.services.registry.index, model, state.number)
    shape = {"ready": "ready", "starting": "starting", "failed": "failed", "stopped": "failed"}
    facts = [
        ("Runtime", state.runtime or ""),
        ("Process", str(state.process or "")),
        ("Restarts", f"{state.restarts:,}" if state.restarts else ""),
        ("Requests", f"{state.requests:,}"),
        ("Errors", f"{state.errors:,}"),
        *((f"Latency {name}", f"{value:.1f} ms") for name, value in sorted(state.latency_ms.items())),
    ]
    return Instance(
        label=label,
        href=page.to("m", model, label),
        health=Health(shape.get(state.health, "unknown"), state.health, state.reason),
        role="gets the traffic" if state.active else "kept ready for a rollback",
        facts=[fact for fact in facts if fact[1]],
        since=page.when(state.ready_since) if state.ready_since else None,
        output=state.output if state.health == "failed" else "",
    )


def _reported(page: Page, model: str, report: Report, declared: int | None) -> Reported:
    label = called(page.services.registry.index, model, report.number) if report.number else ""
    return Reported(
        instance=report.instance,
        label=label,
        href=page.to("m", model, label) if label else "",
        digest="" if label else report.digest or "",
        as_declared=report.number is not None and report.number == declared,
        known=report.known,
        since=page.when(rfc3339(report.since)),
        seen=page.when(rfc3339(report.seen)),
    )


def _report(page: Page, environment: str, model: str, label: str) -> str:
    return "\n".join(
        [
            f"curl -X PUT {_address(page, environment, model)}/observed \\",
            "  -H 'Content-Type: application/json' -H 'X-Muster-Actor: depot-agent' \\",
            f"  -d {_quoted(_json(label))}",
        ]
    )


def _desired(page: Page, environment: str, model: str) -> str:
    return f"curl '{_address(page, environment, model)}/desired?wait_s=60'"


def _address(page: Page, environment: str, model: str) -> str:
    return f"{page.visitor.url}/api/v1/deployments/{environment}/{quote(model, safe='')}"


def _json(label: str) -> str:
    text = label.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{"version": "{text}", "instance": "depot-1"}}'


def _quoted(text: str) -> str:
    """For a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
