"""Routes → one ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import License

from muster.domain.errors import MusterError
from muster.http import (
    api_access,
    api_bans,
    api_changes,
    api_checkpoints,
    api_deployments,
    api_environments,
    api_evaluations,
    api_events,
    api_exports,
    api_files,
    api_mirror,
    api_models,
    api_operations,
    api_past,
    api_policies,
    api_proposals,
    api_releases,
    api_requirements,
    api_versions,
    api_webhooks,
    pages,
    plain,
    system,
)
from muster.http.edge import Edge
from muster.http.methods import BeforeHandler
from muster.http.metrics import Durations, RegistryMetrics
from muster.http.openapi import Document, schema_router
from muster.http.pages.errors import answered_page
from muster.http.pages.warm import warming
from muster.http.services import AsgiApp, Mount, Services
from muster.http.writes import asked

VERSION = "1.0.0"
_PARTS = (
    plain,
    system,
    api_access,
    api_models,
    api_versions,
    api_files,
    api_evaluations,
    api_requirements,
    api_environments,
    api_deployments,
    api_operations,
    api_past,
    api_proposals,
    api_releases,
    api_changes,
    api_policies,
    api_checkpoints,
    api_exports,
    api_mirror,
    api_events,
    api_webhooks,
    api_bans,
)


def seen_services(request: Request[Any, Any, Any]) -> Services:
    """The services as far as the caller sees, as the outermost layer found."""
    found: Services = cast(Mapping[str, Any], request.scope)["services"]
    return found


def create_app(services: Services, mounts: Sequence[Mount] = ()) -> AsgiApp:
    """The whole HTTP side of a server; `mounts` are the protocols of others that it speaks, too."""
    durations = Durations()
    durations.registry.register(RegistryMetrics(services))

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        for mount in mounts:
            mount.begin()
        async with warming(services):
            yield
        for mount in mounts:
            await asyncio.to_thread(mount.end)
        await services.gateway.close()
        services.pools.close()
        services.entrance.close()

    app = Litestar(
        route_handlers=[*(handler for part in _PARTS for handler in part.routes()), pages.router()],
        dependencies={
            "services": Provide(seen_services, sync_to_thread=False),
            "asked": Provide(asked),
        },
        before_request=BeforeHandler(),
        # For all of them: an error is mapped in one place, by its class.
        exception_handlers={MusterError: answered_page, Exception: answered_page},
        state=State({"durations": durations}),
        lifespan=[lifespan],
        logging_config=None,
        request_max_body_size=None,  # bodies are read and limited by `bodies`, files have no limit
        openapi_config=OpenAPIConfig(
            title="Muster",
            version=VERSION,
            description="AI model registry and deployment manager in which every change is one Git commit",
            license=License(name="Apache-2.0"),
            render_plugins=[Document()],
            openapi_router=schema_router(),
        ),
    )
    return Edge(services, app, durations, mounts)
