"""Virtual environments of models that list their packages: built once, shared by all that want the same.

Below one folder, for each digest of what goes in:

    venv-<digest>/          made by `python -m venv` and pip; whole once it holds `complete.json`
    venv-<digest>.lock      exclusive while it is built or removed, shared while a worker runs in it

A build that was killed has no `complete.json`: it is never used, and removed by the
next build or the next start.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from muster.domain.errors import DidNotStart, Unavailable
from muster.serving.building import Builder, BuildFailed
from muster.serving.runtimes import Packages

DAY_S: Final = 86_400.0
_POLL_S: Final = 0.05
_STAMP: Final = "complete.json"

# What Muster's worker program imports, and the oldest version of each that will do.
# The server's own versions are installed, unless the model asks for another.
WORKER: Final = {"httptools": "0.6.4", "msgspec": "0.19", "uvicorn": "0.34"}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that an environment is made from.

    With `wheels_only` nothing is built, for building a package runs code out of
    it. `files` are the digests of what a requirement could refer to by its path.
    """

    packages: Packages
    wheels_only: bool
    files: tuple[str, ...] = ()


class Venvs:
    """The environments below `root`. Any thread may call, and several processes share the folder."""

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        *,
        timeout_s: float,
        keep_s: float,
        worker: Mapping[str, str] = WORKER,
    ) -> None:
        """A build may take `timeout_s`; what no worker used for `keep_s` may be removed.

        `environ` is the server's. `worker` is what every environment holds besides:
        packages, and the oldest version of each that will do.
        """
        self._root = root
        self._timeout_s = timeout_s
        self._keep_s = keep_s
        self._worker = worker
        self._closing = threading.Event()
        self._builder = Builder(environ, self._closing)

    def get(self, wanted: Wanted, lay_out: Callable[[Path], None], tell: Tell) -> Path:
        """The folder of the environment, which is built if it is not there.

        `lay_out` puts the version's files into a folder, for requirements that are
        paths; `tell` is given a sentence now and then.

        Raises:
            DidNotStart: it cannot be built, or not in time; pip's last output says why.
            Unavailable: this server is stopping.
        """
        folder = self._root / f"venv-{self._digest(wanted)}"
        deadline = time.monotonic() + self._timeout_s
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with self._locked(folder, fcntl.LOCK_SH, deadline, tell):
                if _whole(folder):
                    os.utime(folder / _STAMP)
                    return folder
            with self._locked(folder, fcntl.LOCK_EX, deadline, tell):
                if not _whole(folder):  # else another was faster
                    self._build(folder, wanted, lay_out, deadline, tell)
            self.prune()
            return folder
        except OSError as error:
            raise DidNotStart(f"The Python environment cannot be built: {error}") from error

    def lock(self, folder: Path) -> Path:
        """What a worker that runs in the environment locks, shared, for as long as it runs."""
        return folder.with_name(f"{folder.name}.lock")

    def prune(self) -> list[str]:
        """Remove what is half built, or unused for long; the names of what is gone."""
        gone = []
        for folder in sorted(self._root.glob("venv-*/")):
            with suppress(OSError), self.lock(folder).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _whole(folder) or time.time() - (folder / _STAMP).stat().st_mtime > self._keep_s:
                    _remove(folder)
                    gone.append(folder.name)
        return gone

    def close(self) -> None:
        """End the builds under way; whoever waits for one is told that the server stops."""
        self._closing.set()
        self._builder.kill()

    @contextmanager
    def _locked(self, folder: Path, how: int, deadline: float, tell: Tell) -> Iterator[None]:
        with self.lock(folder).open("a") as lock:
            told = False
            while True:
                try:
                    fcntl.flock(lock, how | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not told:
                        tell("the Python environment: another deployment is building it; waiting for that")
                        told = True
                    if time.monotonic() > deadline:
                        raise DidNotStart(
                            "The Python environment was not built in time by another deployment"
                        ) from None
                    if self._closing.wait(_POLL_S):
                        raise Unavailable("This server is stopping") from None
            yield

    def _beside(self, wanted: Wanted) -> list[str]:
        """The worker's own requirements: the server's versions, unless the model asks for another."""
        named = wanted.packages.names()
        return [
            f"{name}>={floor}" if name in named else f"{name}=={version(name)}"
            for name, floor in self._worker.items()
        ]

    def _digest(self, wanted: Wanted) -> str:
        """Of all that goes in, and of the Python that it is for."""
        python = [platform.python_implementation(), platform.python_version(), sysconfig.get_platform()]
        told = asdict(wanted) | {"worker": self._beside(wanted), "python": python, "base": sys.base_prefix}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def _build(
        self, folder: Path, wanted: Wanted, lay_out: Callable[[Path], None], deadline: float, tell: Tell
    ) -> None:
        began = time.monotonic()
        _remove(folder)
        asked = len(wanted.packages.lines)
        tell(
            f"the Python environment: building it for Python {platform.python_version()} from {asked} "
            f"requirement{'s' if asked != 1 else ''}; it is kept for the next time"
        )
        try:
            files = folder / "files"
            files.mkdir(parents=True)
            if wanted.packages.odd:
                lay_out(files)
            self._install(folder, wanted, files, deadline, tell)
            shutil.rmtree(files)
            os.sync()  # so that what is stamped is there after a power cut, too
            (folder / _STAMP).write_text(
                json.dumps({"lines": wanted.packages.lines, "worker": self._beside(wanted)})
            )
        except BaseException as error:
            _remove(folder)
            if isinstance(error, BuildFailed):
                raise self._refusal(error, wanted) from error
            raise
        tell(f"the Python environment: built in {time.monotonic() - began:.0f} s")

    def _install(self, folder: Path, wanted: Wanted, files: Path, deadline: float, tell: Tell) -> None:
        python = str(folder / "bin" / "python")
        make, pip = [sys.executable, "-I", "-m", "venv", str(folder)], [python, "-I", "-m", "pip"]
        if find_spec("pip") is not None:  # it takes seconds to install one there
            make, pip = [*make, "--without-pip"], [sys.executable, "-I", "-m", "pip", "--python", python]
        self._builder.run(make, files, deadline)
        ours = folder / "muster-worker.txt"
        lines = folder / "requirements.txt"
        constraints = folder / "constraints.txt"
        ours.write_text("\n".join(self._beside(wanted)) + "\n")
        lines.write_text("\n".join(wanted.packages.lines) + "\n")
        constraints.write_text("\n".join(wanted.packages.constraints) + "\n")
        command = [
            *(*pip, "install", "--no-input", "--no-color", "--progress-bar", "off"),
            *(("--only-binary", ":all:") if wanted.wheels_only else ()),
            *("-r", str(lines), "-r", str(ours), "-c", str(constraints)),
        ]
        self._builder.run(command, files, deadline, _Progress(tell))

    def _refusal(self, failed: BuildFailed, wanted: Wanted) -> DidNotStart | Unavailable:
        if self._closing.is_set():
            return Unavailable("This server is stopping")
        if failed.timed_out:
            return DidNotStart(
                f"The Python environment was not built within {self._timeout_s:g} s (venv_timeout_s)",
                failed.output,
            )
        hint = ""
        if wanted.wheels_only and "No matching distribution" in failed.output:
            hint = ". Only wheels are installed in an environment that does not say allow_pickle"
        return DidNotStart(f"The Python environment cannot be built: {failed.why}{hint}", failed.output)


class _Progress:
    """Turns what pip prints into a sentence now and then."""

    _EVERY_S: Final = 2.0

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._found = 0
        self._told = time.monotonic()

    def __call__(self, line: str) -> None:
        words = line.split()
        if line.startswith("Collecting "):
            self._found += 1
            if time.monotonic() - self._told >= self._EVERY_S:
                self._told = time.monotonic()
                self._tell(f"the Python environment: {self._found} packages so far, now {words[1]}")
        elif line.startswith("Installing collected packages: "):
            self._tell(f"the Python environment: installing {len(words) - 3} packages")


def _whole(folder: Path) -> bool:
    return (folder / _STAMP).exists() and (folder / "bin" / "python").exists()


def _remove(folder: Path) -> None:
    (folder / _STAMP).unlink(missing_ok=True)  # first, lest half a folder look whole
    shutil.rmtree(folder, ignore_errors=True)
