"""Which runtime serves which files, and how a runtime loads them.

A runtime is found through the entry point group `muster.runtimes`; ours load the
same way. Recognising a format needs no numpy and no model library, so that the
server can do it: only `load` imports those, and only workers call it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from muster.domain.errors import NoRuntime
from muster.domain.records import Artifact
from muster.service.values import Instance

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

Files = Mapping[str, Path]
"""Path inside the version → the local file that holds it."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a model, in the words of the Open Inference Protocol.

    `datatype` is `FP32`, `INT64`, `BYTES` …; a dimension of any size is -1; an
    empty `shape` is a scalar or unknown. `columns` name the last dimension, if
    the model knows their names.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()


class CannotLoad(Exception):
    """The files are not what they seem, or the runtime refuses them: a sentence for people."""


class BadInput(Exception):
    """The model refused well-formed input: a sentence for people."""


class Model(Protocol):
    """A loaded version. Called from one thread at a time."""

    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """The outputs of those names. Raises BadInput."""
        ...


class Runtime(Protocol):
    """Serves one format. `runs_code` says that loading a file runs code it may hold."""

    name: str
    runs_code: bool

    def main_file(self, files: Files) -> str | None:
        """The one of `files` that `load` would open; None if there is none of this format.

        Raises:
            NoRuntime: there are several, and nothing says which.
        """
        ...

    def load(self, folder: Path, main_file: str, threads: int) -> Model:
        """Load `main_file` of the version whose files lie in `folder`; compute with at most `threads`.

        Raises:
            CannotLoad: it is broken, or not of this format after all.
        """
        ...


class Runtimes:
    """The runtimes there are; those that run no code from the file come first."""

    def __init__(self, runtimes: Iterable[Runtime]) -> None:
        self._runtimes = sorted(runtimes, key=lambda runtime: (runtime.runs_code, runtime.name))

    @classmethod
    def installed(cls) -> Runtimes:
        """Those of every installed package, ours included."""
        return cls(point.load()() for point in entry_points(group="muster.runtimes"))

    @property
    def names(self) -> list[str]:
        return [runtime.name for runtime in self._runtimes]

    def named(self, name: str) -> Runtime:
        """The runtime of that name, which must be among `names`."""
        return next(runtime for runtime in self._runtimes if runtime.name == name)

    def choose(self, files: Files, named: str | None, allow_pickle: bool) -> tuple[Runtime, str]:
        """The runtime for `files`, and the file it would open; `named` settles which one.

        Raises:
            NoRuntime: saying which runtimes there are, and what else can be done.
        """
        if named is not None and named not in self.names:
            raise NoRuntime(f"No runtime is called {named!r}. {self._advice()}")
        for runtime in self._runtimes:
            if named not in (None, runtime.name):
                continue
            main_file = runtime.main_file(files)
            if main_file is None:
                continue
            if runtime.runs_code and not allow_pickle:
                raise NoRuntime(
                    f"{main_file} is of a format that runs code when it is loaded ({runtime.name}), "
                    "and this environment does not allow that. Export the model to ONNX, save it with skops, "
                    f"or set allow_pickle on the environment if you trust the file. {self._advice()}"
                )
            return runtime, main_file
        listed = ", ".join(sorted(files)[:5]) + (" …" if len(files) > 5 else "")
        wanted = f"the runtime {named!r}" if named else "any runtime"
        raise NoRuntime(
            f"No file of {wanted} is among the version's files ({listed or 'none'}). {self._advice()}"
        )

    def _advice(self) -> str:
        return (
            f"The runtimes here are: {', '.join(self.names) or 'none'}. What something else runs "
            "is deployed to an environment whose target is 'external'"
        )


class RuntimeChoice:
    """The name of the runtime for an instance: what a target asks before it starts anything."""

    def __init__(self, runtimes: Runtimes, local: Callable[[Artifact], Path]) -> None:
        self._runtimes = runtimes
        self._local = local

    def __call__(self, instance: Instance) -> str:
        """The runtime's name. Raises NoRuntime."""
        files = {artifact.path: self._local(artifact) for artifact in instance.files}
        runtime, _ = self._runtimes.choose(files, instance.config.runtime, instance.allow_pickle)
        return runtime.name


class Onnx:
    """ONNX graphs, by onnxruntime."""

    name: ClassVar[str] = "onnx"
    runs_code: ClassVar[bool] = False

    def main_file(self, files: Files) -> str | None:
        return _only("ONNX", files, (".onnx",), _looks_like_onnx)

    def load(self, folder: Path, main_file: str, threads: int) -> Model:
        from muster.serving.onnx_model import OnnxModel

        return OnnxModel(folder, main_file, threads)


class Skops:
    """scikit-learn estimators saved by skops, with its list of trusted types and no other."""

    name: ClassVar[str] = "skops"
    runs_code: ClassVar[bool] = False

    def main_file(self, files: Files) -> str | None:
        return _only("skops", files, (".skops",), _looks_like_skops)

    def load(self, folder: Path, main_file: str, threads: int) -> Model:
        from muster.serving.estimators import EstimatorModel, load_skops

        return EstimatorModel(load_skops(folder / main_file), threads)


class Pickle:
    """scikit-learn estimators in a pickle, of joblib or cloudpickle too; refused unless allowed."""

    name: ClassVar[str] = "pickle"
    runs_code: ClassVar[bool] = True

    def main_file(self, files: Files) -> str | None:
        return _only("pickle", files, (".pkl", ".pickle", ".joblib", ".cloudpickle"), _looks_like_pickle)

    def load(self, folder: Path, main_file: str, threads: int) -> Model:
        from muster.serving.estimators import EstimatorModel, load_pickle

        return EstimatorModel(load_pickle(folder / main_file), threads)


def _only(
    what: str, files: Files, suffixes: tuple[str, ...], looks_like: Callable[[Path], bool]
) -> str | None:
    """The one file with such a suffix, or without a suffix and with such a beginning."""
    found = [path for path in sorted(files) if path.lower().endswith(suffixes)]
    if not found:
        found = [path for path in sorted(files) if not Path(path).suffix and looks_like(files[path])]
    if len(found) > 1:
        model = [path for path in found if Path(path).stem == "model"]
        if len(model) != 1:
            raise NoRuntime(
                f"There are several {what} files ({', '.join(found[:5])}); "
                f"call the one to be served model{suffixes[0]}"
            )
        return model[0]
    return found[0] if found else None


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _looks_like_onnx(path: Path) -> bool:
    # A ModelProto begins with its field 1, ir_version, a small number; then
    # comes a text (2: producer_name) or the graph (7).
    start = _beginning(path)
    return len(start) == 4 and start[0] == 0x08 and 3 <= start[1] <= 0x20 and start[2] in (0x12, 0x3A)


def _looks_like_skops(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "_skops_version" in json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, ValueError):
        return False


def _looks_like_pickle(path: Path) -> bool:
    start = _beginning(path)
    return len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5
