"""The description of the API: what Litestar knows of the routes, and what the handlers say in `opt`.

body    the record that the request's body holds
form    the fields of a form that it may be instead: one for that record, one for a file
raw     the body, of the request or of the answer, is a file's bytes
also    further statuses, and the records that go with them
media   the answer's content type, where it is not JSON
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from litestar import Litestar, MediaType, Request, Router
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.routes import HTTPRoute

from muster.http import (
    schemas,
    schemas_bans,
    schemas_deployed,
    schemas_evidence,
    schemas_policies,
    schemas_proof,
    schemas_proposals,
    schemas_telling,
)
from muster.http.problems import is_api

_RECORDS: Final = (
    schemas,
    schemas_deployed,
    schemas_evidence,
    schemas_policies,
    schemas_proof,
    schemas_proposals,
    schemas_telling,
    schemas_bans,
)
_REF: Final = "#/components/schemas/{name}"
_WRITES: Final = frozenset({"post", "put", "patch", "delete"})

_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Muster-Actor": {
        "description": "Who asks, by a stable id; unverified",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$"},
    },
    "X-Muster-Import": {
        "description": "That an import does it, which may say how it was elsewhere; unverified",
        "schema": {"type": "string", "const": "true"},
    },
    "Idempotency-Key": {
        "description": "A repeated key gives the first answer",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "If-Match": {
        "description": "The ETag that the record must still have; else 412 (plain API: 409)",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{40}(-[0-9a-f]{8})?"$'},
    },
}

# Each event of a stream; its data is JSON, and absent from one that is sent to keep the connection.
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


class Document(OpenAPIRenderPlugin):
    """Serves the document. Litestar's other plugins load their pages from elsewhere."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=MediaType.JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        return msgspec.json.encode(described(request.app))


def schema_router() -> Router:
    """Where the document is. Litestar's own answers any other path there with a page in HTML."""

    async def only_the_document(request: Request[Any, Any, Any]) -> None:
        if request.path_params:
            raise NotFoundException

    return Router("/schema", route_handlers=[], include_in_schema=False, before_request=only_the_document)


def described(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `app`; made once."""
    document: dict[str, Any] | None = app.state.get("openapi")
    if document is None:
        document = app.state["openapi"] = _made(app)
    return document


def _made(app: Litestar) -> dict[str, Any]:
    document = app.openapi_schema.to_schema()
    for path, method, handler in _handlers(app):
        if (operation := document["paths"].get(path, {}).get(method)) is not None:
            _complete(operation, path, method, handler)
    said = [each for part in _RECORDS for each in vars(part).values()]
    structs = [each for each in said if isinstance(each, type)]
    records = [each for each in structs if issubclass(each, msgspec.Struct) and each is not msgspec.Struct]
    _, document["components"]["schemas"] = msgspec.json.schema_components(records, ref_template=_REF)
    return document


def operations(app: Litestar) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of the whole document, in the order of the paths."""
    for path, methods in sorted(described(app)["paths"].items()):
        for method, operation in methods.items():
            yield path, method, operation


def _handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    yield route.path_format, str(method).lower(), handler


def _complete(operation: dict[str, Any], path: str, method: str, handler: HTTPRouteHandler) -> None:
    """Add what Litestar cannot know."""
    opt = handler.opt
    problem = "Problem" if is_api(path) else "PlainError"
    media = "application/problem+json" if is_api(path) else "application/json"
    responses: dict[str, Any] = operation["responses"]
    responses.pop("400", None)
    responses["default"] = {
        "description": "It was refused; the body says why",
        "content": {media: {"schema": _ref(problem)}},
    }
    if "204" in responses:
        responses["204"].pop("content", None)
    for status, record in opt.get("also", {}).items():
        first = next(iter(responses.values()))
        content = first.get("content") if record is None else {"application/json": {"schema": _ref(record)}}
        responses[str(status)] = {"description": _ALSO.get(status, "Done"), "content": content or {}}
    if method in _WRITES:
        _complete_write(
            operation, opt, conditional=method != "post" or path.endswith("/rollback"), plain=not is_api(path)
        )
    elif "media" in opt or "raw" in opt:
        kind = opt.get("media", "application/octet-stream")
        for status in ("200", "206") if "raw" in opt else ("200",):
            schema = _EVENT if kind == "text/event-stream" else {"type": "string"}
            responses[status] = {"description": "The content", "content": {kind: {"schema": schema}}}


_ALSO: Final = {200: "Nothing had to be done, or a dry run", 202: "Begun; the operation can be followed"}


def _may_wait(responses: dict[str, Any], record: str) -> None:
    """Any write may turn out to be one that others have to approve first."""
    schema = _ref(record)
    begun = responses.get("202", {}).get("content", {}).get("application/json")
    both = schema if begun is None else {"anyOf": [begun["schema"], schema]}
    said = responses.get("202", {}).get("description")
    responses["202"] = {
        "description": f"{said}; or it waits for approval" if said else "It waits for approval",
        "content": {"application/json": {"schema": both}},
    }


def _complete_write(
    operation: dict[str, Any], opt: dict[str, Any], *, conditional: bool, plain: bool
) -> None:
    headers = [
        {"name": name, "in": "header", "required": False} | rest
        for name, rest in _HEADERS.items()
        if name != "If-Match" or (conditional and "raw" not in opt)
    ]
    operation["parameters"] = operation.get("parameters", []) + headers
    if "body" in opt:
        content = {"application/json": {"schema": _ref(opt["body"].__name__)}}
        needed = bool(msgspec.json.schema_components([opt["body"]])[1][opt["body"].__name__].get("required"))
        if "form" in opt:
            said, file = opt["form"]
            form = _form(said, file, content["application/json"])
            content["multipart/form-data"] = {"schema": form}
        operation["requestBody"] = {"required": needed, "content": content}
    elif "raw" in opt and "201" in operation["responses"]:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    responses = operation["responses"]
    _may_wait(responses, "Waits" if plain else "ProposalRecord")
    preview = {"schema": _ref("Preview")}
    done = responses.get("200", {}).get("content", {}).get("application/json")
    both = preview if done is None else {"schema": {"anyOf": [done["schema"], preview["schema"]]}}
    responses["200"] = {
        "description": "Done, or with dry_run what would happen",
        "content": {"application/json": both},
    }


def _form(said: str, file: str, record: dict[str, Any]) -> dict[str, Any]:
    """A form of a record as JSON, and a file."""
    return {
        "type": "object",
        "properties": {said: record["schema"], file: {"type": "string", "format": "binary"}},
        "required": [said, file],
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}
