"""Deployments as the API shows them: declared and observed, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from muster.domain.codec import config_to_dict
from muster.domain.errors import NotFound
from muster.domain.messages import rfc3339
from muster.domain.records import Deployment, Json
from muster.domain.views import deployment_view
from muster.http.answers import encoded, listed
from muster.http.paging import page, place
from muster.http.services import Services
from muster.service.observing import Status, report_view
from muster.service.registry import change_view
from muster.service.values import InstanceState, Logged, WorkerState

_FIRST: Final = ("", "")  # before every place


def status_view(status: Status) -> dict[str, Json]:
    """Declared against observed, in a word and a sentence."""
    return {"standing": status.standing, "sentence": status.sentence, "since": status.since}


def state_view(state: InstanceState) -> dict[str, Json]:
    """What a target observed of one version."""
    return {
        "number": state.number,
        "health": state.health,
        "active": state.active,
        "reason": state.reason,
        "output": state.output,
        "process": state.process,
        "ready_since": rfc3339(state.ready_since) if state.ready_since else None,
        "restarts": state.restarts,
        "requests": state.requests,
        "errors": state.errors,
        "latency_ms": dict(state.latency_ms),
        "in_flight": state.in_flight,
        "leaving": state.leaving,
        "runtime": state.runtime,
        "next_start": rfc3339(state.next_start) if state.next_start else None,
        "workers": [worker_view(each) for each in state.workers],
    }


def worker_view(state: WorkerState) -> dict[str, Json]:
    """What a target observed of one worker of a version."""
    return {
        "replica": state.replica,
        "health": state.health,
        "reason": state.reason,
        "output": state.output,
        "process": state.process,
        "ready_since": rfc3339(state.ready_since) if state.ready_since else None,
        "restarts": state.restarts,
        "next_start": rfc3339(state.next_start) if state.next_start else None,
        "requests": state.requests,
        "errors": state.errors,
        "latency_ms": dict(state.latency_ms),
    }


def detail(services: Services, environment: str, model: str) -> tuple[dict[str, Json], str | None]:
    """What is declared for the model there and what is observed, and the commit that declared it last.

    Raises:
        NotFound: there is no such environment or model.
    """
    record, touched = _declared(services, environment, model)
    observer = services.observer
    observed: dict[str, Json] = {
        "status": status_view(observer.status(environment, model)),
        "instances": [state_view(each) for each in observer.states(environment, model)],
        "reports": [report_view(each) for each in observer.reports(environment, model)],
    }
    return record | observed, touched


def _declared(services: Services, environment: str, model: str) -> tuple[dict[str, Json], str | None]:
    registry = services.registry
    if (found := registry.deployment(environment, model)) is not None:
        return registry.deployment_record(*found), found[1].commit
    if registry.index.model_record(model) is None:
        raise NotFound("model", model)
    last = registry.index.last_placing(environment, model)
    with registry.index.snapshot() as now:
        emptied = now.deployment(environment, model) or Deployment(environment, model, None)
    by = change_view(last) if last else None
    return deployment_view(emptied, None, None) | {"by": by}, last.commit if last else None


def detail_then(services: Services, at: str, environment: str, model: str) -> dict[str, Json]:
    """What was declared for the model there at a time or commit, and what was observed last then."""
    moment = services.past.at(at)
    reports = _reports_then(services, moment, environment, model)
    for record in services.past.deployments(moment, environment, model):
        return record | {"reports": reports}
    services.past.model(moment, model)
    return _empty_then(services, moment, environment, model) | {"reports": reports}


def _empty_then(services: Services, moment: Logged, environment: str, model: str) -> dict[str, Json]:
    seen = services.past.observed(moment, environment, model)
    empty = deployment_view(Deployment(environment, model, None), None, None)
    return empty | {"by": None, "observed": change_view(seen) if seen else None}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which places of a list are asked for: those of an environment and a model, a page of them."""

    environment: str | None
    model: str | None
    after: str | None
    limit: int

    def holds(self, place: tuple[str, str]) -> bool:
        """Whether `place` matches, on whatever page."""
        return place == (self.environment or place[0], self.model or place[1])


def listing(services: Services, wanted: Wanted) -> bytes:
    """What is deployed now and what runs though nobody declared it, each with how it stands.

    Raises:
        NotFound: there is no such environment.
    """
    index = services.registry.index
    if wanted.environment is not None:
        services.registry.environment(wanted.environment)
    begin = place(wanted.after, _FIRST)
    found = index.deployments(wanted.environment, wanted.model, after=begin, limit=wanted.limit + 1)
    declared = {(each.environment, each.model): (each, by) for each, by in found}
    undeclared = [each for each in services.observer.undeclared() if wanted.holds(each)]
    shown, more = page([*declared, *undeclared], lambda each: each, _FIRST, wanted.after, wanted.limit)
    records = []
    for each in shown:
        status = status_view(services.observer.status(*each))
        known = services.registry.deployment_record(*declared[each]) if each in declared else None
        records.append((known or _declared(services, *each)[0]) | {"status": status})
    count = index.count_deployments(wanted.environment, wanted.model) + len(undeclared)
    return listed(map(encoded, records), count, more)


def listing_then(services: Services, moment: Logged, wanted: Wanted) -> bytes:
    """What was declared then, and what ran undeclared, each with what every instance had reported."""
    past = services.past
    begin = place(wanted.after, _FIRST)
    where = (wanted.environment, wanted.model)
    found = past.deployments(moment, *where, after=begin, limit=wanted.limit + 1)
    declared = {_place_of(record): record for record in found}
    undeclared = past.undeclared(moment, *where)
    shown, more = page([*declared, *undeclared], lambda each: each, _FIRST, wanted.after, wanted.limit)
    records = [
        (declared.get(each) or _empty_then(services, moment, *each))
        | {"reports": _reports_then(services, moment, *each)}
        for each in shown
    ]
    count = past.count_deployments(moment, *where) + len(undeclared)
    return listed(map(encoded, records), count, more)


def _place_of(record: Mapping[str, Json]) -> tuple[str, str]:
    return str(record["environment"]), str(record["model"])


def _reports_then(services: Services, moment: Logged, environment: str, model: str) -> list[Json]:
    return [report_view(each) for each in services.past.reports(moment, environment, model)]


def desired(services: Services, environment: str, model: str) -> dict[str, Json]:
    """What is to run there, with the files to fetch: for those who run it elsewhere. Raises NotFound."""
    registry = services.registry
    found = registry.deployment(environment, model)
    if found is None and registry.index.model_record(model) is None:
        raise NotFound("model", model)
    last = registry.index.last_placing(environment, model)
    wanted: dict[str, Json] = {"environment": environment, "model": model}
    deployment = found[0] if found else None
    if deployment is None or deployment.version is None:
        wanted |= {"number": None, "model_id": None, "version": None, "config": None, "files": []}
    else:
        version = registry.version(model, deployment.version)
        folder = f"/api/v1/models/{quote(model, safe='')}/versions/{version.number}/files/"
        wanted |= {
            "number": version.number,
            "model_id": version.model_id,
            "version": version.label or str(version.number),
            "config": config_to_dict(deployment.config),
            "files": [
                {"path": f.path, "size": f.size, "sha256": f.sha256, "url": folder + quote(f.path)}
                for f in version.files
            ],
        }
    return wanted | {"commit": last.commit if last else None}
