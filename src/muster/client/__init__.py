"""The Python client: a server's registry, with the methods of `ModelRegistry` and the whole API.

    client = Client("http://127.0.0.1:5000")
    version = client.register("digits", "v1", files="out/", metrics={"accuracy": 0.97})
    client.deploy(version["model_id"], reason="first release")
    client.deployments()

Errors are those of `muster.errors`, by the same classes as in the server.
"""

from __future__ import annotations

from copy import copy
from types import TracebackType
from typing import Final, Self

import httpx

from muster.client.calls import Calls
from muster.client.evaluations import EvaluationsOf
from muster.client.pushing import Pushes
from muster.client.requirements import RequirementsOf
from muster.client.source import dataset, work_tree
from muster.client.tables import Board, Record

__all__ = ["Board", "Client", "Record", "dataset", "work_tree"]

DEFAULT_URL: Final = "http://127.0.0.1:5000"


class Client(Pushes, EvaluationsOf, RequirementsOf):
    """A registry behind a server. Threads may share it."""

    def __init__(
        self,
        url: str | None = None,
        actor: str | None = None,
        *,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        authorization: str | None = None,
        token: str | None = None,
    ) -> None:
        """Without a `url` it is the address that `muster serve` has unless told otherwise.

        `actor` is who you are, as the history will say it; `timeout_s` is for one
        answer; `transport` is how requests get there, if not over the network;
        `token` proves who you are, where access is controlled; `authorization` is the
        value of a header of that name, for a server behind another that asks for it.
        """
        self.calls = Calls(
            url or DEFAULT_URL,
            actor,
            timeout_s=timeout_s,
            transport=transport,
            authorization=f"Bearer {token}" if token else authorization,
        )

    @property
    def url(self) -> str:
        """The server's address."""
        return self.calls.url

    def healthy(self) -> bool:
        """Whether the server answers."""
        return bool(self.calls.get("/healthz").json().get("status") == "ok")

    def importing(self) -> Self:
        """The same registry for an import: what is written is recorded as brought from elsewhere."""
        twin = copy(self)
        twin.calls = self.calls.importing()
        return twin

    def close(self) -> None:
        """Close the connections."""
        self.calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
