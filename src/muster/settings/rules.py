"""What is written for a setting → its value, or why not: one function a rule, each raises `Refused`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from muster.domain.errors import Invalid
from muster.domain.names import actor_id

MIB: Final = 1024 * 1024


class Refused(Exception):
    """A value breaks the rule that is the message."""


class SecretRefused(Refused):
    """The same of a value that is perhaps a secret: nobody repeats it."""


def text(value: object) -> str:
    """Any that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise Refused("must be a text that is not empty")
    return value


def optional(value: object) -> str:
    """Any, be it empty."""
    if not isinstance(value, str):
        raise Refused("must be a text")
    return value


def folder(value: object) -> Path:
    """`~` is the user's own."""
    if isinstance(value, Path):
        return value
    return Path(text(value)).expanduser()


def one_of(*words: str) -> Callable[[object], str]:
    """One of `words`, as it is."""

    def parse(value: object) -> str:
        if value not in words or not isinstance(value, str):
            raise Refused(f"must be one of {', '.join(words)}")
        return value

    return parse


def whole(low: int, high: int) -> Callable[[object], int]:
    """A whole number from `low` to `high`."""

    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Refused(f"must be a whole number from {low:,} to {high:,}")
        return value

    return parse


def seconds(low: float, high: float) -> Callable[[object], float]:
    """Seconds from `low` to `high`."""

    def parse(value: object) -> float:
        try:
            number = float(value) if isinstance(value, (str, int, float)) and value is not True else None
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise Refused(f"must be a number of seconds from {low:g} to {high:g}")
        return number

    return parse


_UNITS: Final = {"": 1, "B": 1, "KIB": 1024, "MIB": MIB, "GIB": 1024 * MIB, "TIB": MIB * MIB}


def size(low: int) -> Callable[[object], int]:
    """Bytes, also with a unit, at least `low`."""

    def parse(value: object) -> int:
        written = re.fullmatch(r"([0-9]+)\s*([A-Za-z]*)", value.strip()) if isinstance(value, str) else None
        if written and written[2].upper() in _UNITS:
            value = int(written[1]) * _UNITS[written[2].upper()]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value < 2**63:
            raise Refused(f"must be a number of bytes, such as 67108864 or '64 MiB', at least {low:,}")
        return value

    return parse


def yes_or_no(value: object) -> bool:
    """As people write it."""
    words = {"true": True, "yes": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "off": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise Refused("must be true or false")


def host(value: object) -> str:
    """An address of this machine, or a name of it."""
    found = text(value).strip()
    if not re.fullmatch(r"[A-Za-z0-9.:_%-]+", found):
        raise Refused("must be an address or a name of this machine, without a port")
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def secret(value: object) -> str | None:
    """Any, be it nothing."""
    if value is None or value == "":
        return None
    return text(value).strip()


def file(value: object) -> Path | None:
    """A file's path; None for nothing."""
    if value is None or value == "":
        return None
    return folder(value)


def address(value: object) -> str | None:
    """That of a server; None for nothing."""
    if value is None or value == "":
        return None
    url = text(value).strip().rstrip("/")
    if not re.fullmatch(r"https?://[^/\s@?#]+(/[^\s?#]*)?", url):
        raise Refused("must be the address of a server, such as http://127.0.0.1:5000")
    return url


def actor(value: object) -> str:
    """An actor's id."""
    try:
        return actor_id(value)
    except Invalid as invalid:
        raise Refused(invalid.problems[0].rule) from None


def hosts(value: object) -> tuple[str, ...]:
    """A list, or names with commas between."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(host, str) for host in listed):
        raise Refused("must be a list of host names (in the environment: with commas between)")
    hosts = tuple(host.strip() for host in listed if host.strip())
    if any(not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", host) for host in hosts):
        raise Refused("must be host names, with a port if they have one, without http://")
    return hosts


def places(value: object) -> tuple[str, ...]:
    """A list of paths and addresses, or these with commas between."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(place, str) for place in listed):
        raise Refused("must be a list of paths and addresses (in the environment: with commas between)")
    return tuple(place.strip() for place in listed if place.strip())


def remote(value: object) -> str:
    """The address or path of a Git remote, without a password; "" for none."""
    url = optional(value).strip()
    if re.match(r"https?://[^/]*@|[a-z+]+://[^/@]*:[^/@]*@", url):
        raise SecretRefused(
            "must name no user and no password, which would be in logs: mirror_user and mirror_password do"
        )
    if url and not re.fullmatch(r"(https?|ssh|file)://\S+|/[^\n]+|[\w.-]+@[\w.-]+:\S+", url):
        raise Refused("must be https://…, ssh://…, user@host:path, or an absolute path")
    return url


def reference(value: object) -> str:
    """Where a secret is, never the secret itself; "" for none."""
    where = optional(value).strip()
    if where and not re.fullmatch(r"env:[A-Za-z_]\w*|file:/.+", where):
        raise SecretRefused("must say where the secret is: env:NAME or file:/ABSOLUTE/PATH")
    return where


def pauses(value: object) -> tuple[float, ...]:
    """Seconds in a list, or with commas between: at most 20, each at most a week."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or len(listed) > 20:
        raise Refused(
            "must be a list of at most 20 numbers of seconds (in the environment: with commas between)"
        )
    return tuple(seconds(0.01, 604_800)(each) for each in listed)
