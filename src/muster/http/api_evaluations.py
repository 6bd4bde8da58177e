"""`/api/v1/models/{model}/versions/{version}/evaluations`: what was measured, by whom, with the report.

A body is JSON; or, with a report, a form (multipart/form-data) with the JSON in the field
`evaluation` and then the file in the field `report`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from muster.domain import access, parse
from muster.domain.changes import Actor, Evaluate
from muster.domain.errors import Invalid
from muster.domain.evaluations import dataset, report_name
from muster.domain.parse import Form
from muster.domain.records import Artifact
from muster.http import auth, bodies, multiparts, schemas_evidence
from muster.http.answers import Answer, encoded, listed, of_write
from muster.http.api_files import sent
from muster.http.api_versions import VERSION
from muster.http.multiparts import Part
from muster.http.paging import page
from muster.http.parameters import After, DryRun, Given, InPath, Limit
from muster.http.references import place_of
from muster.http.services import Services
from muster.http.streams import incoming
from muster.http.writes import asked as asked_with
from muster.http.writes import caller, preview_view, target_of, write
from muster.service import submissions
from muster.service.evidence import Evidence, Keyed
from muster.service.submissions import Recorded

EVALUATIONS: Final = f"{VERSION}/evaluations"
EVALUATION: Final = f"{EVALUATIONS}/{{number:int}}"
_FORM: Final = "multipart/form-data"
_SAID: Final = "evaluation"
_REPORT: Final = "report"


def evaluation(body: object, by: Actor, *, reported: bool) -> tuple[Evaluate, str]:
    """The change that a body asks for, of a version that is to be found yet, and the reason."""
    form = Form(body)
    change = Evaluate(
        "",
        0,
        by,
        metrics=form.take("metrics", parse.mapping(parse.number), {}),
        dataset=form.take("dataset", dataset, None),
        evaluator=form.take("evaluator", access.subject, None),
        notes=form.take("notes", parse.text, ""),
        tool=form.take("tool", parse.name, ""),
    )
    if not change.metrics and not reported:
        form.wrong("metrics", dict(change.metrics), "must hold at least one, unless there is a report")
    reason = form.take("reason", parse.reason, "")
    form.close()
    return change, reason


@post(
    EVALUATIONS,
    summary="Record an evaluation of a version",
    opt={
        "body": schemas_evidence.NewEvaluation,
        "form": (_SAID, _REPORT),
        "also": {200: "EvaluationRecord"},
    },
)
async def evaluate(
    services: Given, request: Request[Any, Any, Any], model: InPath, version: InPath, dry_run: DryRun = False
) -> Answer[schemas_evidence.EvaluationRecord]:
    headers = request.headers
    evidence = Evidence(services.registry)
    if not headers.get("content-type", "").lower().startswith(_FORM):
        asked = await asked_with(request, services, dry_run)
        change, reason = evaluation(asked.body, asked.actor, reported=False)

        def placed() -> Evaluate:
            name, number = place_of(services.registry, model, version)
            return replace(change, model=name, number=number)

        def answer(recorded: Recorded) -> Answer[Any]:
            return _answer(evidence, change if recorded.logged else placed(), recorded)

        return await write(services, asked, reason, placed, answer)
    between = multiparts.boundary(headers.get("content-type", ""))
    found = multiparts.parts(incoming(request.receive, asyncio.get_running_loop()), between)
    form = _ReportedForm(services, caller(request), headers, target_of(request), (model, version), dry_run)
    work = partial(form.recorded, found)
    return await services.pools.uploads.run(work)


def _answer(evidence: Evidence, change: Evaluate, recorded: Recorded) -> Answer[Any]:
    found = evidence.answer(change, recorded)
    return of_write(found.view(), recorded, 201 if recorded.commit else 200)


@dataclass(frozen=True, slots=True)
class _ReportedForm:
    """A request whose body is a form with an evaluation and its report, which is read last."""

    services: Services
    actor: Actor
    headers: Mapping[str, str]
    target: str
    place: tuple[str, str]
    dry_run: bool

    def recorded(self, found: Iterator[Part]) -> Answer[Any]:
        """The answer. Blocks."""
        registry, evidence = self.services.registry, Evidence(self.services.registry)
        said = _part(found, _SAID).whole(self.services.max_body_bytes)
        change, reason = evaluation(bodies.decode(said), self.actor, reported=True)
        file = _part(found, _REPORT)
        name = report_name((file.filename or "").replace("\\", "/").rpartition("/")[2], _REPORT)
        keyed = partial(self._keyed, said)
        if (first := self._before(keyed, file)) is not None:
            return _answer(evidence, change, first)
        model, number = place_of(registry, *self.place)
        change = replace(change, model=model, number=number)
        if self.dry_run:
            foreseen = replace(change, report=Artifact(name, 0, _digest(file.content)))
            return Answer(encoded(preview_view(registry.preview(foreseen, change.by, reason))))
        recorded = evidence.record_with_report(change, name, file.content, reason, keyed)
        return _answer(evidence, change, recorded)

    def _keyed(self, said: bytes, sha256: str) -> submissions.Request | None:
        return auth.idempotency(self.headers, "POST", self.target, said + sha256.encode())

    def _before(self, keyed: Keyed, file: Part) -> Recorded | None:
        """What a request with the same key was answered: what came is compared with it, and not kept."""
        key = self.headers.get("idempotency-key")
        if key is None or self.services.registry.index.answered(key) is None:
            return None
        request = keyed(_digest(file.content))
        return None if request is None else self.services.registry.answered(request)


def _part(found: Iterator[Part], name: str) -> Part:
    """The next part, which must go by that name. Raises Invalid."""
    part = next(found, None)
    if part is None or part.name != name:
        there = "nothing" if part is None else part.name
        raise Invalid.one("body", there, f"must be a form with {_SAID} (JSON), then {_REPORT} (a file)")
    return part


def _digest(content: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in content:
        digest.update(chunk)
    return digest.hexdigest()


# ------------------------------------------------------------ reads


@get(EVALUATIONS, summary="List a version's evaluations, the newest first")
async def evaluations(
    services: Given, model: InPath, version: InPath, limit: Limit = 100, after: After = None
) -> Answer[schemas_evidence.Evaluations]:
    def work() -> Answer[Any]:
        found = Evidence(services.registry).of(*place_of(services.registry, model, version))
        shown, more = page(found, lambda each: -each.evaluation.number, -(2**31), after, limit)
        return Answer(listed((encoded(each.view()) for each in shown), len(found), more))

    return await services.pools.reads.run(work)


@get(EVALUATION, summary="Show an evaluation")
async def one(
    services: Given, model: InPath, version: InPath, number: FromPath[int]
) -> Answer[schemas_evidence.EvaluationRecord]:
    def work() -> Answer[Any]:
        place = place_of(services.registry, model, version)
        return Answer(encoded(Evidence(services.registry).one(*place, number).view()))

    return await services.pools.reads.run(work)


@get(f"{EVALUATION}/report", summary="Download the report of an evaluation", opt={"raw": True})
async def report(
    services: Given, request: Request[Any, Any, Any], model: InPath, version: InPath, number: FromPath[int]
) -> Stream:
    place = place_of(services.registry, model, version)
    file = await services.pools.reads.run(partial(Evidence(services.registry).report, *place, number))
    return sent(services, request, file)


def routes() -> list[HTTPRouteHandler]:
    """All routes of evaluations."""
    return [evaluate, evaluations, one, report]
