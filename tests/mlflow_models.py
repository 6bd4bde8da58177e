"""Folders that MLflow itself writes, of models of several flavours."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from sklearn.datasets import load_iris

from tests.serving import iris


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow warns already while it is imported, and of what these tests mean to do."""
    with warnings.catch_warnings(record=True):  # recorded, too: it sets filters of its own
        warnings.simplefilter("ignore")
        yield


with quiet():
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow.onnx
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types.schema import ParamSchema, ParamSpec

FLOWERS: pd.DataFrame = load_iris(as_frame=True).data
COLUMNS = [str(column) for column in FLOWERS.columns]

# What answers with its input and its parameters. Served from its source: it is loaded by running it.
ECHO = """
import mlflow
from mlflow.pyfunc import PythonModel


class Echo(PythonModel):
    def predict(self, context, model_input, params=None):
        if params.get("fail"):
            raise KeyError("secret")
        return [float("nan")] if params.get("nan") else {"rows": len(model_input), "times": params["times"]}


mlflow.models.set_model(Echo())
"""


def sklearn_folder(where: Path, serialization_format: str = "skops", **more: Any) -> Path:
    """A classifier of flowers, on a table with named columns."""
    with quiet():
        signature = infer_signature(FLOWERS, iris().predict(FLOWERS.to_numpy()))
        model = iris().__class__(max_iter=500).fit(FLOWERS, load_iris().target)
        mlflow.sklearn.save_model(
            model, where, signature=signature, serialization_format=serialization_format, **more
        )
    return where


def onnx_folder(where: Path) -> Path:
    """The same classifier as a graph, on a tensor."""
    rows = FLOWERS.to_numpy().astype(np.float32)
    with quiet():
        graph = to_onnx(iris(), rows[:1], options={"zipmap": False})
        outputs = {"label": np.zeros(1, np.int64), "probabilities": np.zeros((1, 3), np.float32)}
        mlflow.onnx.save_model(graph, where, signature=infer_signature({"X": rows}, outputs))
    return where


def echo_folder(where: Path, source: Path, **more: Any) -> Path:
    """A Python model, from its source, with parameters."""
    source.write_text(ECHO)
    params = ParamSchema(
        [
            ParamSpec("times", "long", 2),
            ParamSpec("fail", "boolean", False),
            ParamSpec("nan", "boolean", False),
        ]
    )
    with quiet():
        mlflow.pyfunc.save_model(
            where, python_model=str(source), signature=ModelSignature(params=params), **more
        )
    return where


def predicted(folder: Path, data: Any, **params: Any) -> Any:
    """What MLflow itself predicts with the folder."""
    with quiet():
        return mlflow.pyfunc.load_model(str(folder)).predict(data, params=params or None)


def files_of(folder: Path) -> dict[str, bytes]:
    """By path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
