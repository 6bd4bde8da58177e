"""MLflow's plug-in: a registry at `muster://HOST:PORT`, whose versions come with their files.

    MLFLOW_REGISTRY_URI=muster://127.0.0.1:5000         over HTTP
    MLFLOW_REGISTRY_URI=muster+https://NAME:TOKEN@HOST   over TLS, with credentials

`mlflow_plugin` is what MLflow finds it by. MLflow's own store of `http(s)://` does all
but one thing: `create_model_version` also uploads the model's files, and copies what
the run says of metrics, parameters, data sets, commit and user.
"""

from __future__ import annotations

import base64
import logging
import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.store.model_registry.rest_store import RestStore
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import MlflowHostCreds

from muster.client import Client
from muster.client.files import of_model
from muster.client.mlflow_runs import Origin, Tracking
from muster.domain import errors
from muster.domain.errors import MusterError

SCHEMES: Final = {"muster": "http", "muster+http": "http", "muster+https": "https"}
TIMEOUT_S: Final = 600.0  # for one answer: the server may have a large file to finish
_LOCAL: Final = ("", "file", "runs", "models")
_PROMPT: Final = "mlflow.prompt.is_prompt"

_CODES: Final[Mapping[type[MusterError], str]] = {
    errors.Invalid: "INVALID_PARAMETER_VALUE",
    errors.NotFound: "RESOURCE_DOES_NOT_EXIST",
    errors.Taken: "RESOURCE_ALREADY_EXISTS",
    errors.Conflict: "RESOURCE_CONFLICT",
    errors.Denied: "PERMISSION_DENIED",
    errors.Unavailable: "TEMPORARILY_UNAVAILABLE",
    MusterError: "INTERNAL_ERROR",
}

log = logging.getLogger(__name__)


def server_of(store_uri: str) -> str:
    """The server's address, as MLflow and the client take it."""
    parts = urlsplit(store_uri)
    return parts._replace(scheme=SCHEMES[parts.scheme.lower()]).geturl().rstrip("/")


class MusterStore(RestStore):
    """A registry of models on a Muster server."""

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        self._server = server_of(store_uri)
        self._tracking_uri = tracking_uri
        super().__init__(partial(get_default_host_creds, self._server))  # type: ignore[no-untyped-call]

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Sequence[ModelVersionTag] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """As in MLflow, and with the files, which the version has once this returns.

        A copy of a version takes the files of the one it is a copy of; a prompt has none.
        Of a model whose files are elsewhere and cannot be read from here, only the
        address is recorded, which a warning says.
        """
        as_in_mlflow: Callable[[], ModelVersion] = partial(
            super().create_model_version,
            name=name,
            source=source,
            run_id=run_id,
            tags=tags,
            run_link=run_link,
            description=description,
            model_id=model_id,
        )
        said = {tag.key: str(tag.value) for tag in tags or ()}
        if said.get(_PROMPT, "").lower() == "true" or _names_a_version(source):
            return as_in_mlflow()
        check: Any = self.get_registered_model
        check(name)  # says if there is none, before anything is sent
        with ExitStack() as stack, _in_mlflows_words():
            tracking = Tracking(self._tracking_uri)
            origin = tracking.logged(model_id) if model_id else Origin(source, source)
            origin = replace(origin, source=source, run_id=run_id or origin.run_id)
            if local_model_path is not None:
                folder: Path | None = Path(local_model_path)
            else:
                folder = _brought(tracking, origin, stack)
            if folder is None:
                return as_in_mlflow()
            facts = _facts(tracking, origin)
            if run_link:
                facts["source"]["run_url"] = run_link
            client = stack.enter_context(_client(self.get_host_creds()))
            made = client.register(
                name,
                files=of_model(folder),
                description=description or "",
                tags=said,
                key=uuid.uuid4().hex,  # MLflow makes a new version at every call
                **facts,
            )
        read: Callable[..., ModelVersion] = self.get_model_version
        return read(name, str(made["number"]))


def _brought(tracking: Tracking, origin: Origin, stack: ExitStack) -> Path | None:
    """A folder with the files, until `stack` is left; None if they are elsewhere and cannot be read."""
    try:
        return stack.enter_context(tracking.folder(origin))
    except MusterError as error:
        if urlsplit(origin.location).scheme in _LOCAL:
            raise
        log.warning(
            "Only the address of %s is registered: its files cannot be read (%s)", origin.source, error
        )
        return None


def _facts(tracking: Tracking, origin: Origin) -> dict[str, Any]:
    """What made the model; of a run that cannot be read no more than what it is called."""
    try:
        return tracking.facts(origin)
    except MusterError as error:
        log.warning("What made the model is not recorded: %s", error)
        known = {"uri": origin.source, "run_id": origin.run_id, "tracked_as": origin.tracked_as}
        return {"source": {key: value for key, value in known.items() if value}}


def _names_a_version(source: str) -> bool:
    """Whether it is `models:/name/3` or `models:/name@alias`, and not the id of a logged model."""
    rest = source.removeprefix("models:/")
    return rest != source and ("/" in rest.strip("/") or "@" in rest)


def _client(credentials: MlflowHostCreds) -> Client:
    """A client of the server with those credentials."""
    authorization = None
    if credentials.token:
        authorization = f"Bearer {credentials.token}"
    elif credentials.username and credentials.password:
        pair = f"{credentials.username}:{credentials.password}".encode()
        authorization = f"Basic {base64.b64encode(pair).decode()}"
    transport = None
    if credentials.verify is not True:
        verify = ssl.create_default_context(cafile=credentials.verify) if credentials.verify else False
        transport = httpx.HTTPTransport(verify=verify)
    return Client(credentials.host, timeout_s=TIMEOUT_S, transport=transport, authorization=authorization)


@contextmanager
def _in_mlflows_words() -> Iterator[None]:
    """What we raise, as MLflow's exceptions."""
    try:
        yield
    except MusterError as error:
        code = next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
        raise MlflowException(error.message, error_code=ErrorCode.Value(code)) from error
