"""`/api/v1/models/{model}/versions/{version}/files`: bytes in and out, as streams."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from muster.domain import names, parse, registering
from muster.domain.changes import AttachFile, DetachFile, Finalize
from muster.domain.errors import Invalid
from muster.domain.records import Artifact, Json
from muster.http import auth, schemas
from muster.http.answers import Answer, encoded, etag, listed, no_content, of_write
from muster.http.paging import page
from muster.http.parameters import After, DryRun, Given, InPath, Limit, Reason
from muster.http.ranges import part
from muster.http.references import place_of, version_of
from muster.http.services import Receive, Services
from muster.http.streams import arriving, incoming, outgoing
from muster.http.views import version_answer
from muster.http.writes import (
    Asking,
    answered_before,
    caller,
    conditioned,
    if_match,
    previewed,
    reason_given,
    target_of,
    write,
)
from muster.service.submissions import Recorded

FILES: Final = "/api/v1/models/{model:str}/versions/{version:str}/files"


def file_view(file: Artifact) -> dict[str, Json]:
    """A file as the API shows it."""
    return {"path": file.path, "size": file.size, "sha256": file.sha256}


@get(FILES, summary="List a version's files")
async def files(
    services: Given, model: InPath, version: InPath, limit: Limit = 100, after: After = None
) -> Answer[schemas.Files]:
    found = version_of(services.registry, model, version)
    there = services.registry.version(found.model, found.number).files
    shown, more = page(there, lambda file: file.path, "", after, limit)
    return Answer(listed((encoded(file_view(each)) for each in shown), len(there), more))


# ------------------------------------------------------------ in


@put(
    f"{FILES}/{{path:path}}",
    status_code=201,
    summary="Upload a file of a pending version",
    opt={"raw": True, "also": {200: None}},
)
async def upload(
    services: Given,
    request: Request[Any, Any, Any],
    model: InPath,
    version: InPath,
    path: InPath,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> Answer[schemas.FileRecord]:
    headers = request.headers
    declared = declared_digest(headers.get("digest"), headers.get("x-content-sha256"))
    actor, why = caller(request), reason_given(reason)
    key = auth.idempotency(headers, "PUT", target_of(request), (declared or "").encode())
    wanted = names.artifact_path(path.removeprefix("/"))
    if key is not None and (first := services.registry.answered(key)) is not None:
        return _uploaded(_uploaded_then(services, first, wanted), first)
    name, number = place_of(services.registry, model, version)
    if (expected := if_match(headers.get("if-match"))) is not None:
        raise Invalid.one("If-Match", expected, "is not taken here")
    if dry_run:
        digest = declared or await _digest(request.receive)
        return await previewed(services, actor, why, AttachFile(name, number, Artifact(wanted, 0, digest)))
    chunks = incoming(request.receive, asyncio.get_running_loop())
    attach = partial(services.registry.attach, name, number, wanted, chunks, actor)
    return _uploaded(
        *await services.pools.uploads.run(partial(attach, expected=declared, reason=why, request=key))
    )


def _uploaded_then(services: Services, first: Recorded, path: str) -> Artifact:
    """The file as the request that made it left it, whatever became of the version."""
    assert first.logged is not None
    assert first.model is not None
    assert first.number is not None
    files_then = services.past.version(first.logged, first.model, first.number).files
    return next(file for file in files_then if file.path == path)


def _uploaded(file: Artifact, recorded: Recorded) -> Answer[Any]:
    return of_write(file_view(file), recorded, 201 if recorded.commit else 200)


async def _digest(receive: Receive) -> str:
    """The sha256 of the body, which is kept nowhere."""
    digest = hashlib.sha256()
    while True:
        message = await arriving(receive)
        digest.update(message.get("body", b""))
        if not message.get("more_body"):
            return digest.hexdigest()


def declared_digest(digest: str | None, sha256: str | None) -> str | None:
    """The sha256 that the headers say, in hex: `Digest: sha-256=<base64>` (RFC 3230) or `X-Content-Sha256`.

    Raises:
        Invalid: they hold none, or two that differ.
    """
    said = None if sha256 is None else names.digest(sha256, "X-Content-Sha256")
    for each in (digest or "").split(","):
        algorithm, _, value = each.strip().partition("=")
        if algorithm.lower() != "sha-256":
            continue
        try:
            found = base64.b64decode(value, validate=True).hex()
        except binascii.Error:
            found = ""
        if len(found) != 64 or said not in (None, found):
            raise Invalid.one("Digest", digest, "must be one sha-256 in base64, the same wherever it is said")
        said = found
    return said


# ------------------------------------------------------------ out


@get(f"{FILES}/{{path:path}}", summary="Download a file, or a range of it", opt={"raw": True})
async def download(
    services: Given, request: Request[Any, Any, Any], model: InPath, version: InPath, path: InPath
) -> Stream:
    wanted = names.artifact_path(path.removeprefix("/"))
    place = place_of(services.registry, model, version)
    return sent(services, request, services.registry.file(*place, wanted), place)


def sent(
    services: Services, request: Request[Any, Any, Any], file: Artifact, place: tuple[str, int] | None = None
) -> Stream:
    """The answer with the bytes of `file`, of the version at `place`, or the part that the request wants.

    Raises:
        Denied, Purged, NotFound: as `Registry.bytes_of`.
    """
    stored = services.registry.bytes_of(file, place)
    tag = etag(f"sha256:{file.sha256}")
    found = part(request.headers, file.size, tag)
    headers = {
        "etag": tag,
        "accept-ranges": "bytes",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.path.rpartition('/')[2], safe='')}",
        "cache-control": "no-cache",
        **found.headers(file.size),
    }
    if found.status != 304:
        headers["content-length"] = str(found.stop - found.start)
    nothing = "head" in request.scope or found.start == found.stop
    content = outgoing(services, stored, found.start, found.start if nothing else found.stop)
    return Stream(content, status_code=found.status, media_type="application/octet-stream", headers=headers)


# ------------------------------------------------------------ and done


@delete(
    f"{FILES}/{{path:path}}",
    status_code=204,
    summary="Take a file out of a pending version",
    opt={"raw": True},
)
async def detach(
    services: Given, asked: Asking, model: InPath, version: InPath, path: InPath, reason: Reason = ""
) -> Answer[None]:
    wanted = names.artifact_path(path.removeprefix("/"))

    def change() -> DetachFile:
        return DetachFile(*place_of(services.registry, model, version), wanted)

    return await write(services, asked, reason_given(reason), change, no_content)


@post(
    "/api/v1/models/{model:str}/versions/{version:str}/finalize",
    status_code=200,
    summary="Fix the set of files for ever",
    opt={"body": schemas.Finalization},
)
async def finalize(
    services: Given, asked: Asking, model: InPath, version: InPath
) -> Answer[schemas.VersionRecord]:
    form = asked.form()
    facts = registering.facts(form)
    reason = form.take("reason", parse.reason, "")
    form.close()
    if (first := answered_before(services, asked)) is not None:
        return version_answer(services)(first)
    name, number = place_of(services.registry, model, version)
    conditioned(Finalize(name, number), asked)
    if asked.dry_run:
        finalization = partial(services.registry.finalization, name, number, facts)
        return await previewed(services, asked.actor, reason, await services.pools.writes.run(finalization))
    work = partial(services.registry.finalize, name, number, asked.actor, reason, asked.request, facts)
    return version_answer(services)(await services.pools.writes.run(work))


def routes() -> list[HTTPRouteHandler]:
    """All routes of files."""
    return [files, upload, download, detach, finalize]
