"""A PostgreSQL of one's own: a cluster in a folder that goes with it, on the loopback interface."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.terminal import PATIENCE_S, free_port, until

_PACKAGED = Path("/usr/lib/postgresql")  # where Debian keeps what is not for everybody's PATH


def _program(name: str) -> str:
    places = [os.environ["PATH"], *(str(place) for place in sorted(_PACKAGED.glob("*/bin"), reverse=True))]
    found = shutil.which(name, path=os.pathsep.join(places))
    assert found is not None, f"there is no {name}"
    return found


def _user() -> str | None:
    """Who runs it: it refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@contextmanager
def cluster(*databases: str) -> Iterator[str]:
    """The address of a server with these databases, without a database's name at its end."""
    user, port = _user(), free_port()
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        data, log = folder / "data", folder / "log"
        run: dict[str, Any] = {"cwd": folder, "user": user, "extra_groups": [] if user else None}
        made = subprocess.run(
            [_program("initdb"), "-D", data, "-U", "mlflow", "--auth=trust", "-E", "UTF8", "--no-sync"],
            capture_output=True, text=True, check=False, **run,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", str(folder), "-p", str(port)]
        with log.open("w") as output:
            server = subprocess.Popen(
                [_program("postgres"), "-D", data, *options],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, **run,
            )  # fmt: skip
        try:
            ready = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL answers", log)
            for database in databases:
                subprocess.run(
                    [_program("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow", database],
                    check=True,
                )
            yield f"postgresql://mlflow:secret-word@127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait(PATIENCE_S)
