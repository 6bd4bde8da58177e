"""scikit-learn estimators, from skops or a pickle. Imported by workers only."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import skops.io
from threadpoolctl import threadpool_limits

from muster.serving.runtimes import BadInput, CannotLoad, Tensor
from muster.serving.tensors import DATATYPES, Array


def load_skops(path: Path) -> Any:
    """What the skops file holds, if every type in it is on skops' own list. Raises CannotLoad."""
    try:
        untrusted = skops.io.get_untrusted_types(file=path)
        if not untrusted:
            return skops.io.load(path, trusted=[])
    except Exception as error:  # skops lets through whatever zipfile, json and its readers raise
        raise CannotLoad(f"skops cannot load {path.name}: {error}") from error
    raise CannotLoad(f"{path.name} holds types that skops does not trust: {', '.join(sorted(untrusted))}")


def load_pickle(path: Path) -> Any:
    """What the pickle holds; runs the code in it. Raises CannotLoad."""
    try:
        return joblib.load(path)
    except Exception as error:  # code in the file raises what it likes
        raise CannotLoad(f"{path.name} cannot be unpickled: {type(error).__name__}: {error}") from error


class EstimatorModel:
    """`predict`, and `predict_proba` where there is one, on a matrix of numbers."""

    platform = "sklearn"

    def __init__(self, estimator: Any, threads: int) -> None:
        if not hasattr(estimator, "predict"):
            raise CannotLoad(f"the file holds a {type(estimator).__name__}, which has no predict")
        self._estimator = estimator
        self._limits = threadpool_limits(limits=threads)
        # Rows come without names; their order was settled by `Tensor.columns`.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        columns = tuple(str(name) for name in getattr(estimator, "feature_names_in_", ()))
        self.inputs = [Tensor("input", "FP64", (-1, getattr(estimator, "n_features_in_", -1)), columns)]
        classes = getattr(estimator, "classes_", None)
        # A list of arrays, where an estimator has several outputs.
        known = isinstance(classes, np.ndarray)
        self.outputs = [Tensor("predict", _datatype(classes) if known else "FP64", (-1,) if known else ())]
        if isinstance(classes, np.ndarray) and hasattr(estimator, "predict_proba"):
            self.outputs.append(Tensor("predict_proba", "FP64", (-1, len(classes))))

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        try:
            values = {name: np.asarray(getattr(self._estimator, name)(inputs["input"])) for name in outputs}
        except ValueError as error:
            raise BadInput(f"the model refused the input: {error}") from error
        return {
            name: value.astype(object) if value.dtype.kind in "US" else value
            for name, value in values.items()
        }


def _datatype(classes: Any) -> str:
    return next((name for name, dtype in DATATYPES.items() if dtype == classes.dtype), "BYTES")
