"""What the files of a version say about themselves, read in a process of its own.

The server never imports a model library: `python -m muster.serving.inspect FOLDER
RUNTIME FILE` does, prints the signature as JSON, and ends.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from muster.domain.errors import MusterError, NoRuntime
from muster.domain.records import Artifact, Fields
from muster.service.laying import lay_out
from muster.serving.runtimes import CannotLoad, Runtimes, Tensor

TIMEOUT_S: Final = 120.0

log = logging.getLogger(__name__)


class ChildInspector:
    """An `Inspector`.

    `local` gives the local file of a sha256, `environ` is what the child gets.
    `folder` is its own, on the file system of the store, where it lays out the
    files: a graph may have its weights beside it.
    """

    def __init__(self, local: Callable[[str], Path], environ: Mapping[str, str], folder: Path) -> None:
        self._local = local
        self._environ = environ
        self._folder = folder
        self._runtimes = Runtimes.installed()
        shutil.rmtree(folder, ignore_errors=True)  # what a server that was killed left there

    def signature(self, files: Sequence[Artifact]) -> Fields | None:
        local = {file.path: self._local(file.sha256) for file in files}
        try:
            runtime, main_file = self._runtimes.recognise(local)
            said = runtime.signature(local, main_file)
            if said is not None or runtime.runs_code(local, main_file):
                return _fields(said.inputs, said.outputs) if said and said.inputs else None
        except NoRuntime:  # or several graphs, and nothing says which
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder) as name:
                lay_out(Path(name), files, self._local)
                return self._read(name, runtime.name, main_file)
        except (MusterError, subprocess.SubprocessError, OSError) as error:
            log.warning("no signature could be read", extra={"file": main_file, "error": str(error)})
            return None

    def _read(self, folder: str, runtime: str, main_file: str) -> Fields:
        command = (sys.executable, "-P", "-m", __name__, folder, runtime, main_file)
        said = subprocess.run(command, env=self._environ, capture_output=True, timeout=TIMEOUT_S, check=True)
        signature: Fields = json.loads(said.stdout)
        return signature


def _fields(inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> Fields:
    return {"inputs": [*map(_tensor, inputs)], "outputs": [*map(_tensor, outputs)]}


def _tensor(tensor: Tensor) -> dict[str, Any]:
    shape = [None if size < 0 else size for size in tensor.shape]
    return {"name": tensor.name, "dtype": tensor.datatype, "shape": shape}


def main(folder: str, runtime: str, main_file: str) -> int:
    """Print the signature of what the file holds; the exit status is 1 if it cannot be loaded."""
    try:
        model = Runtimes.installed().named(runtime).load(Path(folder), main_file, 1)
    except CannotLoad as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump(_fields(model.inputs, model.outputs), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
