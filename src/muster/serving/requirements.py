"""Which packages a model that MLflow wrote wants, by the files beside its MLmodel.

`python_env.yaml`, else `conda.yaml`, else `requirements.txt`, as MLflow's own
`virtualenv` environments take them (its documentation, "Managing Dependencies in
MLflow Models"). Of a conda environment only the part `pip` is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from muster.serving.mlmodel import MlModel
from muster.serving.runtimes import CannotLoad, Packages

_INCLUDE: Final = re.compile(r"(-r|--requirement|-c|--constraint)[\s=]+(?P<file>\S+)")
_DEPTH: Final = 5


def packages_of(model: MlModel) -> Packages:
    """What the files beside the MLmodel ask for; MLflow itself, as it was then, if they forgot it.

    Raises:
        CannotLoad: one of them cannot be read.
    """
    reading = _Reading(model)
    python = model.python_version
    if (said := model.read_beside("python_env.yaml")) is not None:
        python = str(said.get("python") or python or "") or None
        # MLflow before 3 imports setuptools. pip is the one that does the installing.
        built_with = map(str, _list(said.get("build_dependencies"), "python_env.yaml"))
        reading.take([line for line in built_with if not re.match(r"pip\b", line)])
        reading.take(_list(said.get("dependencies"), "python_env.yaml"))
    elif (said := model.read_beside("conda.yaml")) is not None:
        for entry in _list(said.get("dependencies"), "conda.yaml"):
            if isinstance(entry, dict):
                reading.take(_list(entry.get("pip"), "conda.yaml"))
            elif found := re.fullmatch(r"python\s*={1,2}\s*([0-9.]+)\S*", str(entry)):
                python = found[1]
    else:
        reading.take(["-r requirements.txt"] if model.beside("requirements.txt") else [])
    packages = Packages(tuple(reading.lines), tuple(reading.constraints), python)
    if packages.names().isdisjoint({"mlflow", "mlflow-skinny"}):
        version = f"=={model.mlflow_version}" if model.mlflow_version else ""
        packages = Packages((f"mlflow{version}", *packages.lines), packages.constraints, python)
    return packages


class _Reading:
    """Requirement lines, with the files that they include in their places."""

    def __init__(self, model: MlModel) -> None:
        self._model = model
        self.lines: list[str] = []
        self.constraints: list[str] = []

    def take(self, entries: list[Any], *, constraint: bool = False, depth: int = 0) -> None:
        for line in map(str, entries):
            if found := _INCLUDE.fullmatch(line.strip()):
                within = constraint or found[1] in ("-c", "--constraint")
                self._include(found["file"], constraint=within, depth=depth)
            elif line.strip():
                (self.constraints if constraint else self.lines).append(line.strip())

    def _include(self, name: str, *, constraint: bool, depth: int) -> None:
        if depth == _DEPTH:
            raise CannotLoad(f"{name} is included by what it includes")
        text = self._model.text_beside(name)
        if text is None:
            raise CannotLoad(f"{name}, which the model's requirements include, is not among its files")
        self.take(list(_logical(text)), constraint=constraint, depth=depth + 1)


def _logical(text: str) -> Iterator[str]:
    """The lines of a requirements file without comments, and continued lines as one."""
    for line in text.replace("\\\n", "").splitlines():
        yield re.sub(r"(^|\s)#.*$", "", line)


def _list(value: object, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise CannotLoad(f"{where} must have lists of requirements")
    return value
