"""The environment variables of a worker: a minimum, plus what the configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from muster.domain.errors import DidNotStart, MusterError
from muster.domain.records import Config
from muster.service.values import Program

_INHERITED = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONPATH",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Variables:
    """What a worker is started with; `secrets` are the values that came from references."""

    all: Mapping[str, str]
    secrets: tuple[str, ...]

    def redact(self, text: str) -> str:
        """`text` with every secret replaced, should the worker have printed one."""
        for secret in self.secrets:
            text = text.replace(secret, "[secret]")
        return text


def variables_for(config: Config, server: Mapping[str, str], program: Program) -> Variables:
    """`server` is the server's own environment: a few names are passed on, references are looked up.

    Raises:
        DidNotStart: a reference leads nowhere.
    """
    given = {name: server[name] for name in _INHERITED if name in server and name not in program.withheld}
    given |= dict.fromkeys(_THREADS, str(config.threads))
    given |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"} | dict(program.variables)
    secrets = []
    for name, value in config.env.items():
        if isinstance(value, Mapping):
            given[name] = _resolve(name, str(value["from"]), server)
            secrets.append(given[name])
        else:
            given[name] = str(value)
    # The longest first, so that no secret survives as the rest of a shorter one.
    return Variables(given, tuple(sorted(filter(None, secrets), key=len, reverse=True)))


def unresolved(config: Config, server: Mapping[str, str]) -> list[MusterError]:
    """Why `variables_for` would fail: every reference that leads nowhere."""
    against: list[MusterError] = []
    for name, value in config.env.items():
        if isinstance(value, Mapping):
            try:
                _resolve(name, str(value["from"]), server)
            except DidNotStart as objection:
                against.append(objection)
    return against


def _resolve(name: str, reference: str, server: Mapping[str, str]) -> str:
    kind, _, where = reference.partition(":")
    if kind == "env":
        if where not in server:
            raise DidNotStart(f"env {name}: the server has no environment variable {where}")
        return server[where]
    if kind != "file":
        raise DidNotStart(f"env {name}: a secret comes from env:NAME or file:PATH, not from {reference}")
    try:
        text = Path(where).read_text()
    except (OSError, ValueError) as error:
        raise DidNotStart(f"env {name}: the server cannot read {where}: {error}") from error
    if "\0" in text:
        raise DidNotStart(f"env {name}: {where} holds a NUL")
    return text.rstrip("\r\n")
