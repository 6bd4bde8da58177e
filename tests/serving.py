"""A target, a gateway and real models, as a server has them, for tests of what serves."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import magika
import numpy as np
import onnx.external_data_helper
import skops.io
import uvicorn
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from muster.domain.errors import NotFound
from muster.domain.records import Artifact, Config
from muster.service.values import Desired, Instance, InstanceState
from muster.serving.gateway import Gateway, Limits
from muster.serving.programs import Programs
from muster.serving.routes import RouteTable
from muster.serving.runtimes import RuntimeChoice, Runtimes
from muster.serving.venvs import Venvs
from muster.targets.pool import Timing
from muster.targets.process import ProcessTarget

FLOWER = [5.1, 3.5, 1.4, 0.2]
FLOWER_INFER = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP32", "data": FLOWER}]}
QUICK = Timing(start_timeout_s=60, drain_timeout_s=10, stop_timeout_s=10, first_backoff_s=0.02)
MAGIKA = next((Path(magika.__file__).parent / "models").glob("*/model.onnx"))


@cache
def iris(fit: float = 1.0) -> LogisticRegression:
    """A classifier of flowers; the looser the `fit`, the other its weights."""
    features, labels = load_iris(return_X_y=True)
    return LogisticRegression(C=fit, max_iter=500).fit(features, labels)


@cache
def iris_onnx(fit: float = 1.0) -> bytes:
    graph = to_onnx(iris(fit), np.zeros((1, 4), np.float32))
    return bytes(graph.SerializeToString())


@cache
def iris_skops() -> bytes:
    return bytes(skops.io.dumps(iris()))


@cache
def onnx_with_weights_beside_it() -> dict[str, bytes]:
    """By path: a graph that sums the first two and the last two of four numbers, and its weights."""
    weights = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    tensor = numpy_helper.from_array(weights, "W")
    onnx.external_data_helper.set_external_data(tensor, "data/weights.bin", 0, len(tensor.raw_data))
    tensor.ClearField("raw_data")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "W"], ["Y"])],
        "sums",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 2])],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return {"model.onnx": model.SerializeToString(), "data/weights.bin": weights.tobytes()}


class _Patient:
    """What takes its time: as many seconds as the first number that it is given."""

    _SOURCE = (
        "type('Patient', (), {'n_features_in_': 1, 'predict': "
        "lambda self, rows: (__import__('time').sleep(float(rows[0][0])), rows[:, 0])[1]})()"
    )

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return eval, (self._SOURCE,)


def patient_pickle() -> bytes:
    """A model that sleeps for the seconds that it is given."""
    return pickle.dumps(_Patient())


T = TypeVar("T")


def wait_for(read: Callable[[], T], what: Callable[[T], bool], seconds: float = 60) -> T:
    """What `read` gives once `what` is true of it."""
    deadline = time.monotonic() + seconds
    while not what(value := read()):
        assert time.monotonic() < deadline, f"waited in vain, last seen: {value}"
        time.sleep(0.01)
    return value


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not just what is left of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Reply:
    """An answer, with its JSON."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.json: Any = json.loads(response.read() or b"null")


def ask(connection: http.client.HTTPConnection, path: str, body: object = None) -> Reply:
    """GET without a body, else POST of it, as JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if body is None:
        connection.request("GET", path)
    else:
        connection.request("POST", path, raw, {"Content-Type": "application/json"})
    return Reply(connection.getresponse())


class GatewayServer:
    """A gateway on a free port of the loopback interface, on a thread."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # With its protocol named: else asyncio leaves Nagle's algorithm on, and every answer takes 40 ms.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()  # at once, so that nobody is refused before the thread is there
        self.port: int = self._listener.getsockname()[1]
        config = uvicorn.Config(gateway, lifespan="off", log_level="warning", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self._listener])
        await self._gateway.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, path: str, body: object = None) -> Reply:
        connection = self.connect()
        try:
            return ask(connection, path, body)
        finally:
            connection.close()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


class Site:
    """Artifacts in a folder, a process target, and a gateway in front of it."""

    def __init__(
        self,
        folder: Path,
        *,
        environ: Mapping[str, str] | None = None,
        timing: Timing = QUICK,
        limits: Limits | None = None,
        crash: Callable[[str], None] = lambda point: None,
        venvs: Venvs | None = None,
    ) -> None:
        self._store = folder / "store"
        self._store.mkdir(parents=True, exist_ok=True)
        self.transitions: list[tuple[str, str]] = []
        self.routes = RouteTable()
        self.target = ProcessTarget(
            artifact=self._there,
            run_dir=folder / "run",
            routes=self.routes,
            runtime_for=RuntimeChoice(Runtimes.installed(), lambda file: self._there(file.sha256)),
            program_for=Programs(Runtimes.installed(), self._there, folder / "run" / "venvs", venvs),
            on_transition=lambda environment, model: self.transitions.append((environment, model)),
            environ=os.environ if environ is None else environ,
            timing=timing,
            crash=crash,
        )
        self.gateway = GatewayServer(Gateway(self.routes, limits=limits))

    def _path(self, sha256: str) -> Path:
        return self._store / sha256

    def _there(self, sha256: str) -> Path:
        """As the port of artifacts has it: what is not there is not found."""
        if not self._path(sha256).exists():
            raise NotFound("artifact", sha256)
        return self._path(sha256)

    def store(self, path: str, content: bytes) -> Artifact:
        sha256 = hashlib.sha256(content).hexdigest()
        self._path(sha256).write_bytes(content)
        return Artifact(path, len(content), sha256)

    def remove(self, instance: Instance) -> None:
        """Take its files out of the store."""
        for file in instance.files:
            self._path(file.sha256).unlink()

    def instance(
        self,
        number: int = 1,
        files: Mapping[str, bytes] | None = None,
        *,
        model: str = "iris",
        allow_pickle: bool = False,
        **config: Any,
    ) -> Instance:
        given = {"model.onnx": iris_onnx()} if files is None else files
        artifacts = tuple(self.store(path, content) for path, content in given.items())
        return Instance(model, number, f"{model}_v{number}", artifacts, Config(**config), allow_pickle)

    def apply(self, position: int, active: Instance | None, *warm: Instance, model: str = "iris") -> None:
        self.target.apply(Desired("production", model, position, active, warm))

    def states(self, model: str = "iris") -> dict[int, InstanceState]:
        return {state.number: state for state in self.target.observe("production", model)}

    def state(self, number: int, model: str = "iris") -> InstanceState | None:
        return self.states(model).get(number)

    def when(self, number: int, health: str, model: str = "iris") -> InstanceState:
        state = wait_for(
            lambda: self.state(number, model), lambda state: state is not None and state.health == health
        )
        assert state is not None
        return state

    def serve(self, instance: Instance, position: int = 1) -> InstanceState:
        """Make it the active one, and wait until it is ready."""
        self.apply(position, instance, model=instance.model)
        return self.when(instance.number, "ready", instance.model)

    def ask(self, path: str, body: object = None, model: str = "iris") -> Reply:
        return self.gateway.ask(f"/serve/production/{model}/{path}", body)

    def close(self) -> None:
        self.gateway.close()
        self.target.close()


class Load:
    """Clients that send without pause until they are told to stop."""

    def __init__(self, site: Site, clients: int = 2) -> None:
        self.replies: list[tuple[int, str | None]] = []
        self.failures: list[object] = []
        self._site = site
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(clients)]

    def _send(self) -> None:
        connection = self._site.gateway.connect()
        while not self._stop.is_set():
            reply = ask(connection, "/serve/production/iris/infer", FLOWER_INFER)
            self.replies.append((reply.status, reply.headers["Muster-Version"]))
            if reply.status != 200:
                self.failures.append(reply.json)
        connection.close()

    def more(self, count: int = 50) -> None:
        """Wait until that many more have been answered."""
        seen = len(self.replies)
        wait_for(lambda: len(self.replies), lambda now: now >= seen + count)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.more(1)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
