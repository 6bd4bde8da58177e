"""Git told to do one thing, and what it says of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from muster.domain.errors import Unavailable
from muster.gitstore.program import GitFolder

_COMPLAINTS: Final = ("fatal: ", "error: ", "remote: ")

Started = Callable[[subprocess.Popen[bytes]], None]


def asked(
    repository: GitFolder,
    *arguments: str,
    given: bytes = b"",
    surroundings: Mapping[str, str] = MappingProxyType({}),
    timeout_s: float | None = None,
    started: Started = lambda _: None,
) -> bytes:
    """What Git prints; `started` is told of its process before it is waited for.

    Raises:
        Unavailable: it did not succeed, or not within `timeout_s`; the message is Git's complaint.
    """
    code, said, complaint = answered(
        repository,
        *arguments,
        given=given,
        surroundings=surroundings,
        timeout_s=timeout_s,
        started=started,
    )
    if code:
        raise Unavailable(f"git {_name(arguments)} did not succeed: {complained(complaint)}")
    return said


def answered(
    repository: GitFolder,
    *arguments: str,
    given: bytes = b"",
    surroundings: Mapping[str, str] = MappingProxyType({}),
    timeout_s: float | None = None,
    started: Started = lambda _: None,
) -> tuple[int, bytes, str]:
    """Its exit code, what it prints and what it complains of.

    Raises:
        Unavailable: it did not end within `timeout_s`, and was ended.
    """
    with repository.start(
        *arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE, surroundings=surroundings
    ) as running:
        started(running)
        try:
            said, complaint = running.communicate(given, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            running.kill()
            running.communicate()
            raise Unavailable(
                f"git {_name(arguments)} did not end within {error.timeout:g} s, and was ended"
            ) from error
    return running.returncode, said, complaint.decode(errors="replace")


def complained(complaint: str) -> str:
    """The lines of a complaint that say what is wrong, as one."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(_COMPLAINTS)]
    return "; ".join(telling or lines[-3:]) or "it said nothing"


def _name(arguments: tuple[str, ...]) -> str:
    """Which command of Git's: the first word that is no option, nor one's value."""
    words = iter(arguments)
    for word in words:
        if word == "-c":
            next(words, None)
        elif not word.startswith("-"):
            return word
    return "it"
