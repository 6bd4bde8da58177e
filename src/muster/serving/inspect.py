"""What the files of a version say about themselves, read in a process of its own.

The server never imports a model library: `python -m muster.serving.inspect FILE`
does, prints the signature as JSON, and ends.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from muster.domain.errors import NoRuntime
from muster.domain.records import Artifact, Fields
from muster.serving.runtimes import CannotLoad, Onnx, Tensor

TIMEOUT_S: Final = 120.0

log = logging.getLogger(__name__)


class ChildInspector:
    """An `Inspector`; `local` gives the local file of a sha256, `environ` is what the child gets."""

    def __init__(self, local: Callable[[str], Path], environ: Mapping[str, str]) -> None:
        self._local = local
        self._environ = environ

    def signature(self, files: Sequence[Artifact]) -> Fields | None:
        local = {file.path: self._local(file.sha256) for file in files}
        try:
            main_file = Onnx().main_file(local)
        except NoRuntime:  # several graphs, and nothing says which
            return None
        if main_file is None:
            return None
        command = (sys.executable, "-P", "-m", __name__, str(local[main_file]))
        try:
            said = subprocess.run(
                command, env=self._environ, capture_output=True, timeout=TIMEOUT_S, check=True
            )
        except (subprocess.SubprocessError, OSError) as error:
            log.warning("no signature could be read", extra={"file": main_file, "error": str(error)})
            return None
        signature: Fields = json.loads(said.stdout)
        return signature


def _tensor(tensor: Tensor) -> dict[str, Any]:
    shape = [None if size < 0 else size for size in tensor.shape]
    return {"name": tensor.name, "dtype": tensor.datatype, "shape": shape}


def main(path: str) -> int:
    """Print the signature of the ONNX graph at `path`; the exit status is 1 if it cannot be loaded."""
    file = Path(path)
    try:
        model = Onnx().load(file.parent, file.name, 1)
    except CannotLoad as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump(
        {"inputs": [*map(_tensor, model.inputs)], "outputs": [*map(_tensor, model.outputs)]}, sys.stdout
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
