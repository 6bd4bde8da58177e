"""A registry of MLflow's, read from its server or its database; nothing there is ever changed.

With `mlflow_runs` and `mlflow_store` the only module that imports MLflow (the extra `mlflow`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import httpx
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import _verify_schema
from sqlalchemy.exc import SQLAlchemyError

from muster.client.elsewhere import TheirModel, TheirVersion
from muster.client.mlflow_runs import Origin, Tracking, translated
from muster.client.source import public_address
from muster.domain.errors import Invalid, NotFound, Unavailable
from muster.domain.messages import rfc3339
from muster.domain.records import STAGES

_PAGE: Final = 1000
_LOOK_S: Final = 10
_DATABASES: Final = ("sqlite", "postgresql", "mysql", "mssql")
_IS_PROMPT: Final = "mlflow.prompt.is_prompt"
_PROMPTS: Final = f"tags.`{_IS_PROMPT}` = 'true'"
_LOGGED: Final = re.compile(r"models:/+(m-[0-9a-f]{32})")
_COPY: Final = re.compile(r"models:/+([^/@]+)/(\d+)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MLflowRegistry:
    """The registry at `uri`: `http(s)://…` of a server, or a database's, as in `sqlite:///mlflow.db`.

    Every method may raise Unavailable. Runs are asked of `tracking_uri`, or else of
    the same server or database.
    """

    def __init__(self, uri: str, tracking_uri: str | None = None) -> None:
        """Look whether it is there.

        Raises:
            Invalid: `uri` is no address of a registry of MLflow's.
            Unavailable: it does not answer.
        """
        self._uri = uri = _with_driver(uri)
        self._tracking_uri = _with_driver(tracking_uri) if tracking_uri else uri
        scheme = uri.partition(":")[0].partition("+")[0].lower()
        if scheme in ("http", "https"):
            _look_at_server(uri)
        elif scheme in _DATABASES:
            _look_at_database(uri)
        else:
            rule = f"must begin with http://, https:// or a database's scheme ({', '.join(_DATABASES)})"
            raise Invalid.one("URI", public_address(uri) or uri, rule)
        with self._answering():
            self._client = MlflowClient(self._tracking_uri, uri)
            self._tracking = Tracking(self._tracking_uri)

    @property
    def address(self) -> str:
        """Its address, without credentials."""
        if (public := public_address(self._uri)) is not None:
            return public
        url = sqlalchemy.engine.make_url(self._uri)
        return url.set(username=None, password=None, query={}).render_as_string()

    # ------------------------------------------------------------ records

    def models(self) -> list[TheirModel]:
        """All models, and all prompts, by name."""
        found = [_model(each) for chosen in (None, _PROMPTS) for each in self._all_models(chosen)]
        return sorted({each.name: each for each in found}.values(), key=lambda each: each.name)

    def versions(self) -> Iterator[TheirVersion]:
        """All versions, those of a model together and by number."""
        order = ["name ASC", "version_number ASC"]
        for chosen in (None, _PROMPTS):
            token = None
            while True:
                with self._answering():
                    page = self._client.search_model_versions(chosen, _PAGE, order, token)
                yield from map(_version, page)
                if not (token := page.token):
                    break

    def _all_models(self, chosen: str | None) -> Iterator[RegisteredModel]:
        token = None
        while True:
            with self._answering():
                page = self._client.search_registered_models(chosen, _PAGE, ["name ASC"], token)
            yield from page
            if not (token := page.token):
                return

    # ------------------------------------------------------------ what made it, and the files

    def facts(self, version: TheirVersion) -> dict[str, Any]:
        """What its run says, as a registration takes it; see `Tracking.facts`. Empty if no run is known."""
        logged = _LOGGED.fullmatch(version.source)
        if not version.run_id and logged is None:
            return {}
        origin = Origin(version.source, version.source, version.run_id, logged[1] if logged else "")
        try:
            return self._tracking.facts(origin)
        except NotFound:
            return {}

    @contextmanager
    def folder(self, version: TheirVersion) -> Iterator[Path]:
        """A folder with its files, as long as the block lasts.

        Raises:
            NotFound: they are not where MLflow says, or not within reach.
        """
        with translated():
            where = self._client.get_model_version_download_uri(version.model, str(version.number))
        with self._tracking.folder(Origin(where, version.source, version.run_id)) as folder:
            yield folder

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """What MLflow raises while it is asked for lists, as Unavailable: the question is always right."""
        try:
            yield
        except MlflowException as error:
            said = f"{self.address} does not answer as a registry of MLflow ({error.message})"
            raise Unavailable(said) from error


# ---------------------------------------------------------------- is it there


def _look_at_server(uri: str) -> None:
    """Ask once: MLflow's client goes on asking for minutes."""
    address = public_address(uri)
    if address is None:
        raise Invalid.one("URI", uri, "must name a host")
    try:
        httpx.get(f"{address.rstrip('/')}/health", timeout=_LOOK_S)
    except httpx.InvalidURL as error:
        raise Invalid.one("URI", address, f"must be an address ({error})") from error
    except httpx.TransportError as error:
        if "CERTIFICATE" not in str(error):  # which certificates it trusts MLflow was told
            raise Unavailable(f"{address} does not answer ({error})") from error


def _with_driver(uri: str) -> str:
    """A PostgreSQL's address with the driver that is here: which one is usual differs by release."""
    scheme, colon, rest = uri.partition("://")
    if scheme == "postgresql" and find_spec("psycopg") is None and find_spec("psycopg2") is not None:
        return f"postgresql+psycopg2{colon}{rest}"
    return uri


def _look_at_database(uri: str) -> None:
    """Look before MLflow does, which would make a database, or one's tables, where there are none.

    One of another release is refused, too: MLflow's client of this release might upgrade it.
    """
    shown = public_address(uri) or uri
    try:
        url = sqlalchemy.engine.make_url(uri)
        shown = url.render_as_string(hide_password=True)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            raise Invalid.one("URI", shown, "must name a database's file that is there")
        late = {"connect_timeout": _LOOK_S} if url.get_backend_name() == "postgresql" else {}
        engine = sqlalchemy.create_engine(url, connect_args=late)
        try:
            if not sqlalchemy.inspect(engine).has_table("registered_models"):
                raise Invalid.one("URI", shown, "must name a database that holds a registry of MLflow's")
            verify: Callable[[Any], None] = _verify_schema
            verify(engine)
        finally:
            engine.dispose()
    except MlflowException as error:
        raise Invalid.one(
            "URI",
            shown,
            "must name a database of the MLflow that is installed here; import from its server instead",
        ) from error
    except ModuleNotFoundError as missing:
        raise Unavailable(f"this database needs a driver that is not installed ({missing.name})") from missing
    except SQLAlchemyError as error:
        raise Unavailable(f"the database does not answer ({_said(error, uri)})") from error


def _said(error: SQLAlchemyError, uri: str) -> str:
    """What it says in a line, and never the password."""
    secret = sqlalchemy.engine.make_url(uri).password
    line = " ".join(str(getattr(error, "orig", None) or error).split())
    return line.replace(str(secret), "***") if secret else line


# ---------------------------------------------------------------- as values


def _model(given: RegisteredModel) -> TheirModel:
    return TheirModel(
        name=given.name,
        description=given.description or "",
        tags=dict(given.tags),
        aliases={alias: int(number) for alias, number in given.aliases.items()},
        created_at=_time(given.creation_timestamp),
        last_updated=_time(given.last_updated_timestamp or given.creation_timestamp),
    )


def _version(given: ModelVersion) -> TheirVersion:
    source = given.source or ""
    copied = _COPY.fullmatch(source)
    return TheirVersion(
        model=given.name,
        number=int(given.version),
        description=given.description or "",
        tags=dict(given.tags),
        stage=_stage(given.current_stage),
        kind="prompt" if _is_prompt(given.tags) else "model",
        ready=given.status == "READY",
        source=source,
        run_id=given.run_id or "",
        run_link=given.run_link or "",
        copy_of=f"{copied[1]}/{copied[2]}" if copied else "",
        created_at=_time(given.creation_timestamp),
        last_updated=_time(given.last_updated_timestamp or given.creation_timestamp),
    )


def _is_prompt(tags: Mapping[str, str]) -> bool:
    return tags.get(_IS_PROMPT, "").lower() == "true"


def _stage(word: str | None) -> str:
    """Our word for it; `None`, which says that it has none, is where a version begins here."""
    said = (word or "").lower()
    return said if said in STAGES else STAGES[0]


def _time(milliseconds: int) -> str:
    return rfc3339(_EPOCH + timedelta(milliseconds=milliseconds))
