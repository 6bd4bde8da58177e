"""Which runtime serves which files, and how a runtime loads them.

A runtime is found through the entry point group `muster.runtimes`; ours load the
same way. Recognising a format needs no numpy and no model library, so that the
server can do it: only `load` imports those, and only workers call it.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, runtime_checkable

from muster.domain.errors import NoRuntime, NotFound
from muster.domain.records import Artifact
from muster.service.values import Instance

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_GROUP: Final = "muster.runtimes"

# PEP 508 without addresses: a name, extras, versions, a marker.
_PLAIN: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9._,\s-]*\])?\s*([<>=!~(][^@;]*)?(;.*)?"
)

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


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of a model. Of a table every column is an input, with the shape [-1].

    `columns` says that it is one. A type that no tensor has keeps its own name as `datatype`.
    """

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    columns: bool = False


@dataclass(frozen=True, slots=True)
class Packages:
    """What pip is to install: requirement lines, and constraints on what they bring.

    `python` is the version that the model was made with, if it is known.
    """

    lines: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    python: str | None = None

    @property
    def odd(self) -> tuple[str, ...]:
        """Those that are more than a name and versions: addresses, paths, options of pip."""
        return tuple(line for line in (*self.lines, *self.constraints) if not _PLAIN.fullmatch(line))

    def names(self) -> set[str]:
        """The packages that the lines name, as an index writes them (PEP 503)."""
        found = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in self.lines)
        return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in found if name}


@dataclass(frozen=True, slots=True)
class RunsCode:
    """Why loading the files runs code that they hold: a clause, and what to do instead, a sentence."""

    what: str
    instead: str


class Model(Protocol):
    """A loaded version. Called from one thread at a time."""

    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """The outputs of those names. Raises BadInput."""
        ...


@runtime_checkable
class AnswersInvocations(Protocol):
    """A `Model` may also be this: it takes MLflow's `/invocations` itself, from the bytes that came."""

    def invoke(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """Status, and the JSON of the answer. Called like `predict`."""
        ...


class Runtime(Protocol):
    """Serves one format. Of two that know the files, the one with the lower `rank` serves them."""

    name: str
    rank: int

    def main_file(self, files: Files) -> str | None:
        """The one of `files` that `load` would open; None if there is none of this format.

        Raises:
            NoRuntime: there are several, and nothing says which.
        """
        ...

    def runs_code(self, files: Files, main_file: str) -> RunsCode | None:
        """Whether `load` would run code out of the files; what is not known to run none does.

        Raises:
            NoRuntime: the files cannot be read.
        """
        ...

    def packages(self, files: Files, main_file: str) -> Packages | None:
        """What the worker's environment must hold beside Muster's worker; None: the server's will do.

        Raises:
            NoRuntime: the files cannot be read.
        """
        ...

    def signature(self, files: Files, main_file: str) -> Signature | None:
        """What the files say of inputs and outputs without being loaded; None: `load` them to see.

        Raises:
            NoRuntime: the files cannot be read.
        """
        ...

    def load(self, folder: Path, main_file: str, threads: int) -> Model:
        """Load `main_file` of the version whose files lie in `folder`; compute with at most `threads`.

        Raises:
            CannotLoad: it is broken, or not of this format after all.
        """
        ...


class _OfOneFile:
    """What formats have in common that are served by the server's own packages."""

    def packages(self, files: Files, main_file: str) -> Packages | None:  # noqa: ARG002  # the protocol's
        return None

    def signature(self, files: Files, main_file: str) -> Signature | None:  # noqa: ARG002  # the protocol's
        return None


class _WithoutCode(_OfOneFile):
    """… and run none when they are loaded."""

    def runs_code(self, files: Files, main_file: str) -> RunsCode | None:  # noqa: ARG002  # the protocol's
        return None


class Runtimes:
    """The runtimes there are, by their ranks."""

    def __init__(self, runtimes: Iterable[Runtime]) -> None:
        self._runtimes = sorted(runtimes, key=lambda runtime: (runtime.rank, runtime.name))

    @classmethod
    def installed(cls) -> Runtimes:
        """Those of every installed package, ours included."""
        return cls(point.load()() for point in entry_points(group=_GROUP))

    @classmethod
    def referred(cls, references: Iterable[str]) -> Runtimes:
        """Those at `module:Class`, where no package is installed that would name them."""
        points = (EntryPoint(reference, reference, _GROUP) for reference in references)
        return cls(point.load()() for point in points)

    @property
    def names(self) -> list[str]:
        return [runtime.name for runtime in self._runtimes]

    def named(self, name: str) -> Runtime:
        """The runtime of that name, which must be among `names`."""
        return next(runtime for runtime in self._runtimes if runtime.name == name)

    def recognise(self, files: Files, named: str | None = None) -> tuple[Runtime, str]:
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
            if main_file is not None:
                return runtime, main_file
        listed = ", ".join(sorted(files)[:5]) + (" …" if len(files) > 5 else "")
        wanted = f"the runtime {named!r}" if named else "any runtime"
        raise NoRuntime(
            f"No file of {wanted} is among the version's files ({listed or 'none'}). {self._advice()}"
        )

    def choose(self, files: Files, named: str | None, allow_pickle: bool) -> tuple[Runtime, str]:
        """As `recognise`, but nothing that would run code unless that is allowed.

        Raises:
            NoRuntime: as there; or it is not allowed, and what to do instead.
        """
        runtime, main_file = self.recognise(files, named)
        code = None if allow_pickle else runtime.runs_code(files, main_file)
        if code is not None:
            raise NoRuntime(
                f"{code.what}, and this environment does not allow that. {code.instead}, or set "
                "allow_pickle on the environment (`muster env update ENVIRONMENT --allow-pickle`) "
                f"if you trust whoever made the files. {self._advice()}"
            )
        return runtime, main_file

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
        files = {artifact.path: self._there(artifact) for artifact in instance.files}
        runtime, _ = self._runtimes.choose(files, instance.config.runtime, instance.allow_pickle)
        return runtime.name

    def _there(self, artifact: Artifact) -> Path:
        try:
            return self._local(artifact)
        except NotFound:
            # Formats are known by names, too: that a file is missing is told where it is needed.
            return Path(os.devnull)


class Onnx(_WithoutCode):
    """ONNX graphs, by onnxruntime."""

    name: ClassVar[str] = "onnx"
    rank: ClassVar[int] = 1

    def main_file(self, files: Files) -> str | None:
        return _only("ONNX", files, (".onnx",), _looks_like_onnx)

    def load(self, folder: Path, main_file: str, threads: int) -> Model:
        from muster.serving.onnx_model import OnnxModel

        return OnnxModel(folder, main_file, threads)


class Skops(_WithoutCode):
    """scikit-learn estimators saved by skops, with its list of trusted types and no other."""

    name: ClassVar[str] = "skops"
    rank: ClassVar[int] = 1

    def main_file(self, files: Files) -> str | None:
        return _only("skops", files, (".skops",), _looks_like_skops)

    def load(self, folder: Path, main_file: str, threads: int) -> Model:
        from muster.serving.estimators import EstimatorModel, load_skops

        return EstimatorModel(load_skops(folder / main_file), threads)


class Pickle(_OfOneFile):
    """scikit-learn estimators in a pickle, of joblib or cloudpickle too; refused unless allowed."""

    name: ClassVar[str] = "pickle"
    rank: ClassVar[int] = 2

    def main_file(self, files: Files) -> str | None:
        return _only("pickle", files, (".pkl", ".pickle", ".joblib", ".cloudpickle"), _looks_like_pickle)

    def runs_code(self, files: Files, main_file: str) -> RunsCode | None:  # noqa: ARG002  # the protocol's
        return RunsCode(
            f"{main_file} is of a format that runs code when it is loaded (pickle)",
            "Export the model to ONNX, save it with skops",
        )

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
