"""What an MLmodel file says, read without MLflow: the flavours, the signature, how it was made.

Source: MLflow's documentation, "MLflow Models", sections "Storage Format" and "Model
Signature"; what its loaders do with a flavour's fields was read off MLflow 3.17.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml

from muster.serving.runtimes import CannotLoad, Files, Signature, Tensor

NAME: Final = "MLmodel"
_MOST_BYTES: Final = 1024 * 1024
_PATHS: Final = frozenset({"artifact_path", "code", "data", "model_path", "pickled_model"})

# The types of columns, and numpy's names of those of tensors, in the words of the
# Open Inference Protocol. Everything else (dates, bytes, nested values) is no tensor.
_COLUMNS: Final = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
}
_NUMPY: Final = {
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "object": "BYTES",
    "str": "BYTES",
} | {f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}

TENSORS: Final = frozenset({*_COLUMNS.values(), *_NUMPY.values()})

# Loaders that only read what the library behind them wrote, with the classes they may make.
_XGBOOST: Final = frozenset(
    f"xgboost.{name}"
    for name in (
        "core.Booster", "sklearn.XGBClassifier", "sklearn.XGBModel", "sklearn.XGBRanker",
        "sklearn.XGBRegressor", "sklearn.XGBRFClassifier", "sklearn.XGBRFRegressor",
    )
)  # fmt: skip
_LIGHTGBM: Final = "lightgbm.basic.Booster"
_LIGHTGBM_SKLEARN: Final = frozenset(
    f"lightgbm.sklearn.LGBM{name}" for name in ("Classifier", "Model", "Ranker", "Regressor")
)


def read_text(path: Path, shown: str) -> str:
    """Raises CannotLoad, naming the file as `shown`."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CannotLoad(f"{shown} is larger than {_MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotLoad(f"{shown} cannot be read: {error}") from error


def read_yaml(path: Path, shown: str) -> Mapping[str, Any]:
    """An object in YAML. Raises CannotLoad, naming the file as `shown`."""
    try:
        said = yaml.safe_load(read_text(path, shown))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        sentence = " ".join(str(error).split()) or type(error).__name__
        raise CannotLoad(f"{shown} cannot be read as YAML: {sentence}") from error
    if not isinstance(said, dict):
        raise CannotLoad(f"{shown} must hold an object, not a {type(said).__name__}")
    return said


class MlModel:
    """The MLmodel file at `path` among the files of a version."""

    def __init__(self, files: Files, path: str) -> None:
        """Raises CannotLoad: it is no MLmodel file, or says nothing of a Python function."""
        self.path = path
        self._files = files
        self._folder = PurePosixPath(path).parent
        self._said = read_yaml(files[path], path)
        flavors = self._said.get("flavors")
        if not isinstance(flavors, dict) or not isinstance(flavors.get("python_function"), dict):
            raise CannotLoad(f"{path} has no flavour python_function, so MLflow cannot serve it")
        self._flavors: Mapping[str, Any] = flavors
        self.function: Mapping[str, Any] = flavors["python_function"]
        for flavor in (each for each in flavors.values() if isinstance(each, dict)):
            for key in _PATHS & flavor.keys():
                where = PurePosixPath(str(flavor[key]))
                if where.is_absolute() or ".." in where.parts:
                    raise CannotLoad(f"{path} names {where}, which does not lie beside it")

    @property
    def loader(self) -> str:
        """The module that MLflow loads the model with."""
        return str(self.function.get("loader_module"))

    @property
    def mlflow_version(self) -> str | None:
        """The version of MLflow that wrote it."""
        said = self._said.get("mlflow_version")
        return str(said) if said else None

    @property
    def python_version(self) -> str | None:
        """The version of Python that it was logged with."""
        said = self.function.get("python_version")
        return str(said) if said else None

    def beside(self, name: object) -> str | None:
        """The path, inside the version, of a file named in the MLmodel; None if there is no such file."""
        path = str(self._folder / str(name))
        return path if path in self._files else None

    def read_beside(self, name: str) -> Mapping[str, Any] | None:
        """The YAML file `name` beside the MLmodel, if there is one. Raises CannotLoad."""
        path = self.beside(name)
        return None if path is None else read_yaml(self._files[path], path)

    def text_beside(self, name: str) -> str | None:
        """What the file `name` beside the MLmodel holds, if there is one. Raises CannotLoad."""
        path = self.beside(name)
        return None if path is None else read_text(self._files[path], path)

    # ------------------------------------------------------------ code

    def code(self) -> str | None:
        """What of it runs code when it is loaded, in a clause; None if nothing does.

        What is not known to run none is taken to run some.
        """
        if any(isinstance(flavor, dict) and flavor.get("code") for flavor in self._flavors.values()):
            return f"{self.path} brings code of its own"
        kind = self.loader.removeprefix("mlflow.")
        flavor = self._flavors.get(kind)
        match kind:
            case "onnx" | "sklearn" | "lightgbm" | "xgboost" | "catboost" if isinstance(flavor, dict):
                return self._code_of(kind, flavor)
            case "pyfunc.model" | "pyfunc.loaders.code_model":
                held = self.function.get("python_model") or self.function.get("model_code_path")
                return f"{self.path} is a Python model ({PurePosixPath(str(held)).name})"
            case _:
                return f"{self.path} is loaded by {self.loader}"

    def _code_of(self, kind: str, flavor: Mapping[str, Any]) -> str | None:
        name = flavor.get("pickled_model") or flavor.get("data") or flavor.get("model")
        made = flavor.get("model_class")
        match kind:
            case "catboost":
                return None
            case "onnx":
                plain = all(isinstance(provider, str) for provider in flavor.get("providers") or ())
                return None if plain else f"{self.path} gives options to an execution provider"
            case "xgboost":
                return None if made in (None, *_XGBOOST) else f"{self.path} makes a {made}"
            case "lightgbm" if made in (None, _LIGHTGBM):
                return None
            case "lightgbm" if made not in _LIGHTGBM_SKLEARN:
                return f"{self.path} makes a {made}"
        if kind == "sklearn" and "data" in self.function:
            # MLflow before 3 takes the file for a pickle then, whatever the flavour says.
            return f"{self.function['data']} holds a pickle"
        written = flavor.get("serialization_format")
        if written != "skops":
            return f"{name} holds a pickle ({written or 'pickle'})"
        if trusted := flavor.get("skops_trusted_types"):
            return f"{self.path} itself says what skops is to trust ({', '.join(map(str, trusted))})"
        return None

    # ------------------------------------------------------------ signature

    def signature(self) -> Signature:
        """Empty if none was recorded. Raises CannotLoad."""
        said = self._said.get("signature")
        if not isinstance(said, dict):
            return Signature()
        try:
            inputs = self._specs(said, "inputs")
            return Signature(
                tuple(_tensors(inputs, "input")),
                tuple(_tensors(self._specs(said, "outputs"), "output")),
                columns=any(spec.get("type") != "tensor" for spec in inputs),
            )
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CannotLoad(f"the signature in {self.path} cannot be read: {error}") from error

    def _specs(self, said: Mapping[str, Any], side: str) -> list[Mapping[str, Any]]:
        given = said.get(side)
        specs = json.loads(given) if isinstance(given, str) else given or []
        if not isinstance(specs, list):
            raise TypeError(f"{side} must be a list")
        return specs


def _tensors(specs: list[Mapping[str, Any]], unnamed: str) -> Iterator[Tensor]:
    for at, spec in enumerate(specs):
        name = spec.get("name")
        called = str(name) if name is not None else unnamed if len(specs) == 1 else f"{unnamed}_{at}"
        if spec["type"] == "tensor":
            dtype = str(spec["tensor-spec"]["dtype"])
            kind = "BYTES" if dtype.startswith(("<U", "|S", "<S", "|O")) else _NUMPY.get(dtype, dtype)
            yield Tensor(called, kind, tuple(int(size) for size in spec["tensor-spec"]["shape"]))
        else:
            yield Tensor(called, _COLUMNS.get(spec["type"], str(spec["type"])), (-1,))
