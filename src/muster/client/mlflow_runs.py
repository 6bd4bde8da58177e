"""What a tracking server of MLflow knows of how a model was made, and where its files are.

The only module besides `mlflow_store` that imports MLflow (the extra `mlflow`).
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import mlflow.tracking
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, LoggedModel, Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from muster.client.source import public_address
from muster.domain import parse
from muster.domain.errors import Conflict, Invalid, MusterError, NotFound, Unavailable
from muster.domain.plan import MAX_TAGS

_RAN_IT: Final = "mlflow.user"
_COMMIT: Final = "mlflow.source.git.commit"
_DIRTY: Final = "mlflow.source.git.dirty"
_REPOSITORY: Final = "mlflow.source.git.repoURL"
_CONTEXT: Final = "mlflow.data.context"
_PLACES: Final = ("uri", "url", "path", "delta_table_name", "table_name")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """A model as a tracking server knows it: where its files are, and what it goes by there.

    `source` is what MLflow's own client would register it from.
    """

    location: str
    source: str
    run_id: str = ""
    tracked_as: str = ""


def tracking(uri: str | None) -> Tracking | None:
    """The tracking server at `uri`, or the one that MLflow was told of; None if it was told of none."""
    told: Callable[[], bool] = mlflow.tracking.is_tracking_uri_set
    return Tracking(uri) if uri or told() else None


class Tracking:
    """A tracking server or store.

    Its methods may raise NotFound and Unavailable, in the words that MLflow found.
    """

    def __init__(self, uri: str | None = None) -> None:
        self._uri = uri
        with translated():
            self._client = MlflowClient(uri)

    def logged(self, model_id: str) -> Origin:
        """The logged model of that id."""
        with translated():
            model = self._client.get_logged_model(model_id)
        return _origin(model)

    def of_run(self, run_id: str, path: str) -> Origin:
        """The model that a run logged under the name `path`: the last, if there are several."""
        with translated():
            run = self._client.get_run(run_id)
            found = self._client.search_logged_models(
                [run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
            )
            ours = [model for model in found if model.name == path and model.source_run_id == run_id]
        if ours:
            return _origin(max(ours, key=lambda model: model.creation_timestamp))
        where = f"{run.info.artifact_uri}/{path}"
        return Origin(where, where, run_id)

    def registered(self, model: str, version: str) -> Origin:
        """The version of its own registry; `version` may be an alias, with an `@` before it."""
        with translated():
            client = MlflowClient(self._uri, self._uri)
            alias = version.removeprefix("@")
            if alias != version:
                found = client.get_model_version_by_alias(model, alias)
            else:
                found = client.get_model_version(model, version)
            location = client.get_model_version_download_uri(model, found.version)
            return Origin(location, f"models:/{model}/{found.version}", found.run_id or "")

    @contextmanager
    def folder(self, origin: Origin) -> Iterator[Path]:
        """A folder with the model's files: where they are, or where they are brought for the while."""
        with translated():
            if origin.location.startswith("models:/m-"):
                origin = self.logged(origin.location.removeprefix("models:/"))
            repository: Any = get_artifact_repository(origin.location, tracking_uri=self._uri)
        if isinstance(repository, LocalArtifactRepository):
            local = Path(str(repository.artifact_dir))  # not copied
            if not local.exists():
                raise NotFound("folder", str(local))
            yield local
            return
        with tempfile.TemporaryDirectory(prefix="muster-") as brought:
            with translated():
                repository.download_artifacts("", brought)
            yield Path(brought)

    # ------------------------------------------------------------ what made it

    def facts(self, origin: Origin) -> dict[str, Any]:
        """`metrics`, `params`, `training_data` and `source` as a registration takes them.

        What the server does not say is left out, and so is what no record can hold,
        such as a metric that is not a finite number.
        """
        with translated():
            model = self._client.get_logged_model(origin.tracked_as) if origin.tracked_as else None
            run_id = origin.run_id or (model and model.source_run_id) or ""
            run = self._client.get_run(run_id) if run_id else None
        tags = (model.tags or {} if model else {}) | (run.data.tags if run else {})
        source = {
            "uri": origin.source,
            "run_id": run_id,
            "run_url": self._address(run),
            "tracked_as": origin.tracked_as,
            "user": tags.get(_RAN_IT),
            "commit": tags.get(_COMMIT),
            "dirty": {"true": True, "false": False}.get(tags.get(_DIRTY, "").lower()),
            "repository": public_address(tags[_REPOSITORY]) if tags.get(_REPOSITORY) else None,
        }
        facts = {
            "metrics": _kept(_metrics(run, model), parse.number),
            "params": _kept(_params(run, model), parse.text),
            "training_data": _data_sets(run.inputs.dataset_inputs if run and run.inputs else []),
            "source": {key: value for key, value in source.items() if value not in (None, "")},
        }
        return {name: value for name, value in facts.items() if value}

    def _address(self, run: Run | None) -> str | None:
        """Where the server shows the run, if it is one that shows anything."""
        if run is None or not (self._uri or "").startswith(("http://", "https://")):
            return None
        server = public_address((self._uri or "").rstrip("/"))
        return server and f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def _origin(model: LoggedModel) -> Origin:
    return Origin(
        model.artifact_location, f"models:/{model.model_id}", model.source_run_id or "", model.model_id
    )


def _metrics(run: Run | None, model: LoggedModel | None) -> dict[str, float]:
    """The run's last values; of a run that made several models, those that belong to this one.

    MLflow gives a model the values that its run had logged at one step, which need not
    be the last, and gives it 0 for NaN.
    """
    of_run = dict(run.data.metrics) if run else {}
    linked = sorted(model.metrics or [] if model else [], key=lambda metric: (metric.step, metric.timestamp))
    of_model = {each.key: each.value for each in linked if not math.isnan(of_run.get(each.key, 0))}
    several = run is not None and run.outputs is not None and len(run.outputs.model_outputs) > 1
    return of_run | of_model if several else of_model | of_run


def _params(run: Run | None, model: LoggedModel | None) -> dict[str, Any]:
    return (dict(run.data.params) if run else {}) | (dict(model.params or {}) if model else {})


def _kept(given: Mapping[str, Any], read: Callable[[object, str], T]) -> dict[str, T]:
    """What a record can hold of it: the first 1,000 by name."""
    found: dict[str, T] = {}
    for key, value in sorted(given.items()):
        try:
            found[parse.name(key, "name")] = read(value, key)
        except Invalid:
            continue
    return dict(list(found.items())[:MAX_TAGS])


def _data_sets(inputs: list[DatasetInput]) -> dict[str, Any] | None:
    """The data sets that went in, first the one that was for training."""
    found = sorted(map(_data_set, inputs), key=lambda each: each.get("context") != "training")
    if not found:
        return None
    return found[0] | ({"others": found[1:100]} if len(found) > 1 else {})


def _data_set(given: DatasetInput) -> dict[str, Any]:
    data = given.dataset
    where, profile = _json(data.source), _json(data.profile)
    uri = next((str(where[key]) for key in _PLACES if where.get(key)), None)
    rows = profile.get("num_rows")
    found = {
        "name": data.name,
        "digest": data.digest,
        "uri": uri,
        "rows": rows if isinstance(rows, int) else None,
        "context": next((tag.value for tag in given.tags if tag.key == _CONTEXT), None),
    }
    return {key: value for key, value in found.items() if value not in (None, "")}


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# ------------------------------------------------------------ errors

_KINDS: Final[Mapping[str, Callable[[str], MusterError]]] = {
    "RESOURCE_DOES_NOT_EXIST": lambda said: NotFound("model", said),
    "INVALID_PARAMETER_VALUE": lambda said: Invalid.one("source", said, "must be one that MLflow knows"),
    "RESOURCE_ALREADY_EXISTS": Conflict,
}


@contextmanager
def translated() -> Iterator[None]:
    """What MLflow raises, as errors of ours."""
    try:
        yield
    except MlflowException as error:
        said = str(error.message)
        if (make := _KINDS.get(str(error.error_code))) is None:
            raise Unavailable(f"MLflow: {said}") from error
        raise make(said) from error
