"""How the workers of an instance are started: in the server's environment, or in one of the model's own.

In a model's own environment there is what the model asks for and the little that
the worker program imports, not Muster: its source is on the path through a folder
that holds nothing else, so that none of the server's packages are seen.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from muster.domain.records import Artifact
from muster.service.laying import lay_out
from muster.service.values import Instance, Program
from muster.serving.runtimes import Packages, Runtimes
from muster.serving.venvs import Tell, Venvs, Wanted

# -P: a file of the version called numpy.py must not become numpy.
_PYTHON: Final = ("-P", "-X", "faulthandler")
_WORKER: Final = "muster.serving.worker"
_FROM_SOURCE: Final = (
    f"import sys; sys.path.insert(0, sys.argv[1]); from {_WORKER} import main; sys.exit(main(*sys.argv[2:]))"
)
# MLflow reports its use to its makers unless it is told not to.
_QUIET: Final = {"MLFLOW_DISABLE_TELEMETRY": "true"}

SERVERS_OWN: Final = Program((sys.executable, *_PYTHON, "-m", _WORKER), _QUIET)


class Programs:
    """The program for an instance. Without `venvs` every one runs in the server's environment."""

    def __init__(
        self, runtimes: Runtimes, local: Callable[[str], Path], folder: Path, venvs: Venvs | None
    ) -> None:
        """`local` gives the file with a sha256; `folder` is where the link to the source goes."""
        self._runtimes = runtimes
        self._local = local
        self._folder = folder
        self._venvs = venvs

    def __call__(self, instance: Instance, tell: Tell) -> Program:
        """Build the environment if there is none yet, which may take minutes.

        Raises:
            NoRuntime: nothing here serves the files.
            DidNotStart, Unavailable: as `Venvs.get`.
        """
        files: dict[str, Path] = {artifact.path: self._local(artifact.sha256) for artifact in instance.files}
        runtime, main_file = self._runtimes.choose(files, instance.config.runtime, instance.allow_pickle)
        packages = runtime.packages(files, main_file)
        if packages is None:
            return SERVERS_OWN
        if warning := _other_python(packages):
            tell(warning)
        if self._venvs is None:
            return SERVERS_OWN
        digests = tuple(sorted(_digests(instance.files))) if packages.odd else ()
        wanted = Wanted(packages, wheels_only=not instance.allow_pickle, files=digests)
        venv = self._venvs.get(wanted, lambda where: lay_out(where, instance.files, self._local), tell)
        python = str(venv / "bin" / "python")
        reference = f"{type(runtime).__module__}:{type(runtime).__qualname__}"
        return Program(
            (python, *_PYTHON, "-c", _FROM_SOURCE, str(self._source()), reference),
            _QUIET,
            frozenset({"PYTHONPATH"}),
            str(self._venvs.lock(venv)),
        )

    def _source(self) -> Path:
        """A folder that holds Muster's package and nothing else."""
        package = Path(__file__).resolve().parents[1]
        name = hashlib.sha256(str(package).encode()).hexdigest()[:16]
        folder = self._folder / f"source-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (folder / "muster").symlink_to(package)
        return folder


def _digests(files: tuple[Artifact, ...]) -> list[str]:
    return [f"{file.path} {file.sha256}" for file in files]


def _other_python(packages: Packages) -> str | None:
    """What to say to a model that was logged with another Python than this one."""
    here = platform.python_version()
    if packages.python is None or packages.python.split(".")[:2] == here.split(".")[:2]:
        return None
    return (
        f"the model was logged with Python {packages.python} and runs with {here} here, the server's: "
        "a pickle may not load, and packages may have no wheels for it"
    )
