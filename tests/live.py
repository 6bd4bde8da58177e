"""A whole server, with a home of its own, on a free port of the loopback interface."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from muster.bootstrap import Home, open_home
from muster.bootstrap.server import application
from muster.settings import Settings
from tests.serving import iris_onnx, wait_for

_NAMES = count(1)


def fresh(stem: str = "model") -> str:
    """A model's name that no other test has used."""
    return f"{stem}{next(_NAMES)}"


@dataclass(frozen=True)
class Live:
    """The server, its home, and a client for it."""

    url: str
    home: Home
    http: httpx.Client

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"

    def register(self, name: str, version: str = "v1", **fields: Any) -> str:
        """A version without files; its model id."""
        body = {"name": name, "version": version, "description": "d", "training_data": "t", **fields}
        answer = self.http.post("/models", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["model_id"])

    def upload(self, name: str, version: str, files: dict[str, bytes] | None = None) -> str:
        """A version with files (an ONNX classifier unless told otherwise), final; its model id."""
        versions = f"/api/v1/models/{name}/versions"
        self.send("POST", versions, json={"version": version, "pending": True})
        for path, content in ({"model.onnx": iris_onnx()} if files is None else files).items():
            self.send("PUT", f"{versions}/{version}/files/{path}", content=content)
        return str(self.send("POST", f"{versions}/{version}/finalize").json()["model_id"])

    def send(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """A request that must go well."""
        answer = self.http.request(method, path, **kwargs)
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer


@contextmanager
def live(folder: Path, **settings: Any) -> Iterator[Live]:
    """A server of the home `folder`."""
    small: dict[str, Any] = {"reserve_bytes": 0, "min_free_bytes": 0, "surroundings": dict(os.environ)}
    chosen = small | settings
    with open_home(Settings(home=folder, **chosen), serving=True) as home:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            application(home), log_config=None, access_log=False, timeout_graceful_shutdown=5
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: server.started, bool)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=60) as client:
                yield Live(url, home, client)
        finally:
            server.should_exit = True
            thread.join()
            listener.close()
