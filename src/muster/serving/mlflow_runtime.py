"""Model folders that MLflow wrote: any flavour that MLflow can serve as a Python function.

Recognising one, and what is said of it here, needs no MLflow; `load` does, in a
worker whose environment holds what the model's own requirements ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import ClassVar, TypeVar

from muster.domain.errors import NoRuntime
from muster.serving.mlmodel import NAME, MlModel
from muster.serving.requirements import packages_of
from muster.serving.runtimes import CannotLoad, Files, Model, Packages, RunsCode, Signature

_T = TypeVar("_T")


class MLflow:
    """Comes first: a folder with an MLmodel file says itself what it is."""

    name: ClassVar[str] = "mlflow"
    rank: ClassVar[int] = 0

    def main_file(self, files: Files) -> str | None:
        """The MLmodel file nearest to the top; models within a model have their own below it."""
        found = sorted((path for path in files if PurePosixPath(path).name == NAME), key=_depth)
        if len(found) > 1 and _depth(found[0]) == _depth(found[1]):
            raise NoRuntime(
                f"There are several MLflow models ({', '.join(found[:5])}); register each by itself"
            )
        if found:
            _read(lambda: MlModel(files, found[0]))
        return found[0] if found else None

    def runs_code(self, files: Files, main_file: str) -> RunsCode | None:
        model = _read(lambda: MlModel(files, main_file))
        if (code := model.code()) is not None:
            return RunsCode(
                f"{code}, which runs code when it is loaded",
                "Log the model as ONNX (mlflow.onnx), "
                "or a scikit-learn model with serialization_format='skops'",
            )
        if odd := _read(lambda: packages_of(model)).odd:
            return RunsCode(
                f"The model's requirements hold {odd[0]!r}, so installing them may run code",
                "Log the model with requirements that are names and versions only",
            )
        return None

    def packages(self, files: Files, main_file: str) -> Packages | None:
        return _read(lambda: packages_of(MlModel(files, main_file)))

    def signature(self, files: Files, main_file: str) -> Signature | None:
        return _read(lambda: MlModel(files, main_file).signature())

    def load(self, folder: Path, main_file: str, threads: int) -> Model:  # noqa: ARG002  # set by its variables
        try:
            from muster.serving.pyfunc_model import PyfuncModel
        except ImportError as error:
            raise CannotLoad(f"MLflow cannot be imported: {error}") from error

        return PyfuncModel(folder, main_file)


def _depth(path: str) -> int:
    return path.count("/")


def _read(said: Callable[[], _T]) -> _T:
    """What the files say. Raises NoRuntime if they cannot be read: nothing will be served of them."""
    try:
        return said()
    except CannotLoad as error:
        raise NoRuntime(f"{error}. What MLflow wrote is served as it wrote it") from error
