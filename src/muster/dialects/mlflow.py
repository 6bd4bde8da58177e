"""The MLflow Model Registry, as an unmodified `mlflow` client calls it.

Source: the REST API of mlflow 3.18, below `/api/2.0/mlflow` (its Python client) and
`/ajax-api/2.0/mlflow` (pages). Supported: registered models, model versions, tags,
aliases, stages, both searches, prompts, webhooks; `/health`, `/version`, server-info.
Not here: anything of tracking (experiments, runs, logged models), which is another
server's.

Every answer is 200 with a JSON object, or an error with MLflow's code. Nothing that a
client sends is answered with a 5xx, which it would repeat for minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final

import msgspec
import structlog

from muster.dialects import mlflow_call, mlflow_models, mlflow_search, mlflow_versions, mlflow_webhooks
from muster.dialects.mlflow_call import Arguments, Call, Refused
from muster.dialects.mlflow_delivery import Delivery
from muster.dialects.mlflow_errors import INTERNAL, answer_to
from muster.dialects.mlflow_models import Handler
from muster.dialects.mlflow_webhooks import Webhooks
from muster.domain.errors import MusterError
from muster.http import Mount, Services, bodies
from muster.http.services import Receive, Scope, Send

PREFIXES: Final = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/")
SERVER_INFO: Final = ("/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info")
MAX_BODY: Final = 4 << 20  # a prompt of 100,000 characters, each as two escapes of six bytes

log = structlog.get_logger(__name__)


_PARTS: Final = {"registered-models": mlflow_models.ROUTES, "model-versions": mlflow_versions.ROUTES}
ROUTES: Final[dict[tuple[str, str], Handler]] = {
    (method, f"{part}/{path}"): handler
    for part, routes in _PARTS.items()
    for (method, path), handler in routes.items()
} | {
    ("GET", "registered-models/search"): mlflow_search.models,
    ("GET", "model-versions/search"): mlflow_search.versions,
}


def mount(services: Services, webhooks: Webhooks) -> Mount:
    """The dialect, where an MLflow client looks for it."""
    delivery = Delivery(services, webhooks)
    handlers = mlflow_webhooks.ROUTES | {("POST", "webhooks/{id}/test"): delivery.test}
    routes = {route: mlflow_webhooks.handler(webhooks, handle) for route, handle in handlers.items()}
    paths = (*PREFIXES, *SERVER_INFO, "/health", "/version")
    return Mount(paths, MlflowApp(services, ROUTES | routes), answer_to, delivery.begin, delivery.end)


class MlflowApp:
    """An ASGI application. It is given only what `mount` names."""

    def __init__(self, services: Services, routes: Mapping[tuple[str, str], Handler]) -> None:
        self._services = services
        self._routes = routes
        self._limit = max(MAX_BODY, services.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("latin-1")
        if path in SERVER_INFO:
            await _send(send, 200, msgspec.json.encode(_server_info()))
        elif path == "/health":
            await _send(send, 200, b"OK", "text/plain; charset=utf-8")
        elif path == "/version":
            await _send(send, 200, metadata.version("muster-registry").encode(), "text/plain; charset=utf-8")
        else:
            await _send(send, *await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """Status and body."""
        try:
            answer = await self._answered(scope, receive)
            return 200, answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        except (MusterError, Refused) as error:
            return answer_to(error)
        except Exception:
            log.exception("request failed", request_id=scope["request_id"], path=scope["path"])
            return INTERNAL

    async def _answered(self, scope: Scope, receive: Receive) -> mlflow_call.Answer:
        raw: str = scope["raw_path"].decode("latin-1")
        prefix = next(each for each in PREFIXES if raw.startswith(each))
        path, rest = _split(raw.removeprefix(prefix))
        handler = self._routes.get((scope["method"], path))
        if handler is None:
            # Its client tells this from a model that is not there, and tries another way.
            raise Refused(404, "ENDPOINT_NOT_FOUND", f"there is no {scope['method']} {raw} here")
        scope["path_template"] = prefix + path
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return await handler(
            Call(
                scope["services"],
                scope["actor"],
                await self._arguments(scope, headers, receive),
                f"{scope['scheme']}://{headers.get('host', '')}",
                rest,
            )
        )

    async def _arguments(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Arguments:
        if scope["method"] == "GET" and (scope["query_string"] or "content-type" not in headers):
            return mlflow_call.from_query(scope["query_string"])
        content = await bodies.read(receive, headers.get("content-length"), self._limit)
        return mlflow_call.from_body(content, headers.get("content-type"))


def _split(path: str) -> tuple[str, str]:
    """The path as routes name it, and the id of the webhook in it."""
    part, *rest = path.split("/")
    if part != "webhooks" or not rest:
        return path, ""
    return "/".join([part, "{id}", *rest[1:]]), rest[0]


def _server_info() -> dict[str, Any]:
    return {
        "workspaces_enabled": False,
        "multipart_uploads_enabled": True,
        "multipart_downloads_enabled": False,
    }


async def _send(send: Send, status: int, content: bytes, media: str = "application/json") -> None:
    headers = [(b"content-type", media.encode()), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
