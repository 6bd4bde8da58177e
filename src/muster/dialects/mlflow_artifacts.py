"""The artifact proxy of MLflow: files in and out over HTTP, by path.

Source: the REST API of mlflow 3.18, below `/api/2.0/mlflow-artifacts` (and the ajax
prefix), and `mlflow/store/artifact/http_artifact_repo.py`. Supported: listing, download
(with ranges, always as an attachment), upload, removal, upload in parts. Not here:
presigned downloads, which are answered with 501, upon which a client asks us.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote

import msgspec
import structlog

from muster.dialects import mlflow_call
from muster.dialects.mlflow_call import Arguments, Refused, integer
from muster.dialects.mlflow_errors import INTERNAL, answer_to
from muster.dialects.mlflow_places import (
    PREFIXES,
    Place,
    decoded,
    file_at,
    listing,
    parsed,
)
from muster.domain import parse
from muster.domain.changes import Actor
from muster.domain.errors import Invalid, MusterError, NotFound
from muster.domain.names import digest
from muster.domain.records import Artifact
from muster.http import Mount, Services, bodies
from muster.http.answers import etag
from muster.http.ranges import part
from muster.http.services import Receive, Scope, Send
from muster.http.streams import incoming, outgoing
from muster.service.inbox import MAX_PARTS

MAX_BODY: Final = 4 << 20  # a list of 10,000 parts, each with its address

log = structlog.get_logger(__name__)


def mount(services: Services) -> Mount:
    """The proxy, where an MLflow client looks for it."""
    return Mount(tuple(f"{each}/" for each in PREFIXES), ArtifactsApp(services), answer_to)


@dataclass(frozen=True, slots=True)
class _Answer:
    """Status, headers and a body: all of it, or `stop - start` bytes of a file in the store."""

    content: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    stored: Path | None = None
    start: int = 0
    stop: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request: what follows `/mlflow-artifacts/` in its path, as it was sent, and the rest of it."""

    method: str
    rest: str
    query: bytes
    headers: Mapping[str, str]
    receive: Receive
    base: str
    services: Services
    actor: Actor

    def path(self, below: str) -> str:
        """The parsed path that follows `below`; "" is the root. Raises Invalid."""
        return parsed(decoded(self.rest.removeprefix(below).removeprefix("/")))

    def place(self) -> Place:
        """What is asked for below `/artifacts`; what is kept for later is for who may register versions.

        Raises Invalid and Denied.
        """
        place = Place.of(self.path("artifacts"))
        if not place.held:
            self.services.gate.check_may_keep(self.actor)
        return place

    def target(self, path: str) -> str:
        """Where a file is to be kept. Raises Denied."""
        self.services.gate.check_may_keep(self.actor)
        return Place.of(path).writable()


class ArtifactsApp:
    """An ASGI application. It is given only what `mount` names."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: str = scope["raw_path"].decode("latin-1")
        prefix = next(each for each in PREFIXES if raw.startswith(f"{each}/"))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        asked = _Asked(
            scope["method"],
            raw.removeprefix(f"{prefix}/"),
            scope["query_string"],
            headers,
            receive,
            f"{scope['scheme']}://{headers.get('host', '')}{PREFIXES[0]}",
            scope["services"],
            scope["actor"],
        )
        scope["path_template"] = f"{prefix}/{asked.rest.partition('/')[0]}"
        try:
            answer = await self._answered(asked)
        except (MusterError, Refused) as error:
            answer = _refusal(*answer_to(error))
        except Exception:
            log.exception("request failed", request_id=scope["request_id"], path=raw)
            answer = _refusal(*INTERNAL)
        await self._send(send, answer, with_body=scope["method"] != "HEAD")

    async def _answered(self, asked: _Asked) -> _Answer:
        """Raises MusterError and Refused."""
        match asked.rest.partition("/")[0], asked.method:
            case "artifacts", "GET" | "HEAD" if asked.rest.rstrip("/") == "artifacts":
                return await self._listed(asked)
            case "artifacts", "GET" | "HEAD":
                return await self._download(asked)
            case "artifacts", "PUT":
                return await self._upload(asked)
            case "artifacts", "DELETE":
                return await self._remove(asked)
            case "mpu", "POST":
                return await self._in_parts(asked)
            case "mpu", "PUT":
                return await self._put_part(asked)
            case "presigned", "GET":
                raise Refused(501, "NOT_IMPLEMENTED", "downloads are not presigned here: GET the file itself")
        raise Refused(404, "ENDPOINT_NOT_FOUND", f"there is no {asked.method} {asked.rest} here")

    # ------------------------------------------------------------ out

    async def _listed(self, asked: _Asked) -> _Answer:
        try:
            query = parse_qs(asked.query.decode(), keep_blank_values=True, errors="strict")
        except ValueError:
            raise Invalid.one("query", asked.query, "must be percent-encoded UTF-8") from None
        place = Place.of(parsed(query.get("path", [""])[-1]))
        if not place.held:
            asked.services.gate.check_may_keep(asked.actor)
        names = await asked.services.pools.reads.run(partial(listing, asked.services, place))
        files = [_shown(name, file) for name, file in names]
        return _Answer(msgspec.json.encode({"files": files} if files else {}))

    async def _download(self, asked: _Asked) -> _Answer:
        place = asked.place()
        file = await asked.services.pools.reads.run(partial(file_at, asked.services, place))
        if file is None:
            raise NotFound("file", asked.path("artifacts"))
        find = partial(asked.services.registry.bytes_of, file, place.version)
        stored = await asked.services.pools.reads.run(find)
        tag = etag(f"sha256:{file.sha256}")
        found = part(asked.headers, file.size, tag)
        headers = {
            "etag": tag,
            "accept-ranges": "bytes",
            "content-type": "application/octet-stream",
            "content-disposition": _attachment(file),
            "cache-control": "no-cache",
            **found.headers(file.size),
        }
        return _Answer(b"", found.status, headers, stored, found.start, found.stop)

    # ------------------------------------------------------------ in

    async def _upload(self, asked: _Asked) -> _Answer:
        path = asked.target(asked.path("artifacts"))
        chunks = incoming(asked.receive, asyncio.get_running_loop())
        await asked.services.pools.uploads.run(partial(asked.services.inbox.put, path, chunks))
        return _Answer()

    async def _remove(self, asked: _Asked) -> _Answer:
        path = asked.target(asked.path("artifacts"))
        await asked.services.pools.writes.run(partial(asked.services.inbox.remove, path))
        return _Answer()

    async def _in_parts(self, asked: _Asked) -> _Answer:
        _, what, folder = (*asked.rest.split("/", 2), "", "")[:3]
        content = await bodies.read(asked.receive, asked.headers.get("content-length"), MAX_BODY)
        given = mlflow_call.from_body(content, asked.headers.get("content-type"))
        name = given.need("path", _file_name)
        path = asked.target(parsed("/".join(filter(None, (parsed(decoded(folder)), name)))))
        inbox = asked.services.inbox
        if what == "create":
            count = given.take("num_parts", integer(1, MAX_PARTS), 1)
            upload = await asked.services.pools.writes.run(inbox.begin)
            return _Answer(msgspec.json.encode(_begun(asked.base, upload, count)))
        upload = given.need("upload_id", parse.text)
        if what == "complete":
            parts = given.take("parts", _parts, list[tuple[int, str | None]]())
            await asked.services.pools.uploads.run(partial(inbox.complete, upload, path, parts))
        elif what == "abort":
            await asked.services.pools.writes.run(partial(inbox.abort, upload))
        else:
            raise Refused(404, "ENDPOINT_NOT_FOUND", f"there is no {asked.method} {asked.rest} here")
        return _Answer()

    async def _put_part(self, asked: _Asked) -> _Answer:
        found = re.fullmatch(r"mpu/part/([0-9a-f]{32})/([1-9][0-9]{0,4})", asked.rest)
        if found is None or int(found[2]) > MAX_PARTS:
            raise NotFound("part", asked.rest)
        chunks = incoming(asked.receive, asyncio.get_running_loop())
        put = partial(asked.services.inbox.put_part, found[1], int(found[2]), chunks)
        kept = await asked.services.pools.uploads.run(put)
        return _Answer(b"", headers={"etag": etag(kept.sha256)})

    # ------------------------------------------------------------ answering

    async def _send(self, send: Send, answer: _Answer, *, with_body: bool) -> None:
        size = len(answer.content) if answer.stored is None else answer.stop - answer.start
        headers = {**answer.headers, "content-length": str(size)}
        if answer.status == 304:
            del headers["content-length"]
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": sent})
        if answer.stored is not None and with_body:
            async for chunk in _pieces(self._services, answer):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": answer.content if with_body else b""})


def _pieces(services: Services, answer: _Answer) -> AsyncIterator[bytes]:
    assert answer.stored is not None
    return outgoing(services, answer.stored, answer.start, answer.stop)


def _refusal(status: int, content: bytes) -> _Answer:
    return _Answer(content, status)


def _shown(name: str, file: Artifact | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": name, "is_dir": file is None}
    return shown if file is None else shown | {"file_size": file.size}


def _attachment(file: Artifact) -> str:
    return f"attachment; filename*=UTF-8''{quote(file.path.rpartition('/')[2], safe='')}"


# ------------------------------------------------------------ parts


def _file_name(value: object, name: str) -> str:
    """A file's name, or the path of a file on the client's machine: the name is its last part."""
    return parsed(re.split(r"[/\\]", parse.text(value, name))[-1], name)


def _begun(base: str, upload: str, count: int) -> dict[str, Any]:
    parts = [
        {"url": f"{base}/mpu/part/{upload}/{number}", "part_number": number, "headers": {}}
        for number in range(1, count + 1)
    ]
    return {"upload_id": upload, "credentials": parts}


def _parts(value: object, name: str) -> list[tuple[int, str | None]]:
    """`[{part_number, etag, url}]` as (number, sha256 if the etag says one)."""
    if not isinstance(value, list) or len(value) > MAX_PARTS:
        raise Invalid.one(name, value, f"must be a list of at most {MAX_PARTS:,} parts")
    found: list[tuple[int, str | None]] = []
    for at, each in enumerate(value):
        if not isinstance(each, dict):
            raise Invalid.one(f"{name}[{at}]", each, "must be an object with part_number and etag")
        given = Arguments(each)
        number = given.need("part_number", integer(1, MAX_PARTS))
        found.append((number, given.take("etag", _of_etag, None)))
    return sorted(found, key=lambda part: part[0])


def _of_etag(value: object, name: str) -> str | None:
    text = parse.text(value, name).strip('"')
    return digest(text, name) if text else None
