"""A Python function that MLflow loads. Imported by workers only, in the model's own environment.

`/invocations` is answered by MLflow's scoring server itself, of whatever version
the model asks for (its function `invocations`, since MLflow 2.8), so that inputs
are parsed, the signature is enforced and predictions are written as there. What
differs: no answer holds a stack trace, a failure of the model is a 500, and what
JSON has no number for (NaN, infinity) is null.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from muster.domain.errors import Invalid
from muster.serving.mlmodel import TENSORS, MlModel
from muster.serving.runtimes import BadInput, CannotLoad, Tensor
from muster.serving.tensors import Array


class PyfuncModel:
    """What lies beside `main_file`, an MLmodel file, in `folder`."""

    platform = "mlflow"

    def __init__(self, folder: Path, main_file: str) -> None:
        files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        said = MlModel(files, main_file)
        try:
            from mlflow.pyfunc import load_model, scoring_server

            self._invocations: Any = scoring_server.invocations
            self._model = cast("Any", load_model(str((folder / main_file).parent)))
        except Exception as error:  # the loader is foreign code, and so may be the model
            traceback.print_exc()
            raise CannotLoad(
                f"MLflow {mlflow.__version__} cannot load {main_file}: {type(error).__name__}: {error}"
            ) from error
        self._schema = self._model.metadata.get_input_schema()
        signature = said.signature()
        self._columns = signature.columns
        self._named = self._schema is not None and self._schema.has_input_names()
        self.inputs: list[Tensor] = list(signature.inputs)
        self.outputs: list[Tensor] = list(signature.outputs)

    def invoke(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """As MLflow's scoring server answers `/invocations`."""
        asked = _Asked(self._model)
        try:
            answer = self._invocations(body, content_type, asked, self._schema)
        except MlflowException as error:
            if asked.failure is not None and not isinstance(asked.failure, MlflowException):
                return _failed(asked.failure)
            return 400, _error(error.error_code, error.message)
        except Exception as error:  # noqa: BLE001  # what parses or writes is foreign code too
            if asked.reached:
                return _failed(error)
            return 400, _error("BAD_REQUEST", f"the input cannot be read: {type(error).__name__}: {error}")
        if answer.status != 200:
            return answer.status, _error("BAD_REQUEST", answer.response)
        return 200, _strict(answer.response).encode()

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        try:
            given = self._model.predict(self._arranged(inputs))
        except MlflowException as error:
            raise BadInput(f"the model refused the input: {error.message}") from error
        declared = [tensor.name for tensor in self.outputs]
        results = _named(given, declared)
        missing = [name for name in outputs if name not in results]
        if missing and list(outputs) != declared:
            raise BadInput(f"the model gave {', '.join(results)}, but not {', '.join(missing)}")
        # Asked for all that its signature promises, a model that does otherwise answers with what it has.
        return results if missing or not outputs else {name: results[name] for name in outputs}

    def _arranged(self, inputs: Mapping[str, Array]) -> Any:
        """Arrays as the model's signature wants them."""
        if not self.inputs or any(tensor.datatype not in TENSORS for tensor in self.inputs):
            rule = "cannot be given as tensors: the model's signature has none; use /invocations"
            raise Invalid.one("inputs", list(inputs), rule)
        if not self._columns:
            return dict(inputs) if self._named else next(iter(inputs.values()))
        if len({len(array) for array in inputs.values()}) > 1:
            lengths = {name: len(array) for name, array in inputs.items()}
            raise Invalid.one("inputs", lengths, "must all have the same number of rows")
        frame = pd.DataFrame(dict(inputs))
        return frame if self._named else frame.set_axis(range(len(inputs)), axis="columns")


class _Asked:
    """The model, as MLflow's scoring function sees it; remembers whether it was asked, and how it failed."""

    def __init__(self, model: Any) -> None:
        self.metadata = model.metadata
        self.reached = False
        self.failure: Exception | None = None
        self._model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        self.reached = True
        try:
            return self._model.predict(data, params=params)
        except Exception as error:
            self.failure = error
            raise


def _failed(error: Exception) -> tuple[int, bytes]:
    """The traceback is for the worker's output; whoever asked is told the kind of error."""
    traceback.print_exception(error)
    return 500, _error("INTERNAL_ERROR", f"the model failed: {type(error).__name__}")


def _error(code: str, message: str) -> bytes:
    """The shape of MLflow's errors."""
    return json.dumps({"error_code": code, "message": message}).encode()


def _strict(text: str) -> str:
    """JSON without the words NaN and Infinity, which JSON does not have."""
    if "NaN" not in text and "Infinity" not in text:
        return text
    return json.dumps(json.loads(text, parse_constant=lambda _: None))


def _named(result: Any, names: Sequence[str]) -> dict[str, Array]:
    """Arrays by the names of outputs, of whatever MLflow lets a model return."""
    if isinstance(result, pd.DataFrame):
        return {str(name): _array(result[name]) for name in result.columns}
    if isinstance(result, Mapping):
        return {str(name): _array(value) for name, value in result.items()}
    return {names[0] if len(names) == 1 else "output": _array(result)}


def _array(value: Any) -> Array:
    array = np.asarray(value)
    return array.astype(object) if array.dtype.kind in "US" else array
