"""What Git is told so that another machine lets it in: nothing of it in a command line, a log or a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from muster.domain.errors import Conflict, MusterError, Unavailable

_PASSED_ON: Final = (
    *("SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY"),
    *("http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
)
_USER: Final = "MUSTER_GIT_USER"
_PASSWORD: Final = "MUSTER_GIT_PASSWORD"  # noqa: S105  the name of a variable
# gitcredentials(7): run by a shell, asked with `get`, it says what it finds in its environment.
_HELPER: Final = (
    f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n" "${_USER}" "${_PASSWORD}"; }}; f'
)


@dataclass(frozen=True, slots=True)
class Access:
    """The surroundings in which Git may speak to a remote, and the password that is in them."""

    surroundings: Mapping[str, str] = field(default_factory=dict)
    password: str = ""

    @contextmanager
    def hiding(self) -> Iterator[None]:
        """What is raised inside does not say the password, whoever's words it repeats."""
        try:
            yield
        except (Unavailable, Conflict) as error:
            if self.password and self.password in error.message:
                hidden: MusterError = type(error)(error.message.replace(self.password, "[secret]"))
                raise hidden from None
            raise


def access_to(url: str, surroundings: Mapping[str, str], user: str = "", password: str = "") -> Access:
    """Access to the remote at `url`, which alone is told `user` and `password`.

    `surroundings` is this process's environment: of it proxies, certificates and
    what ssh needs are passed on. ssh asks nobody anything.
    """
    told = {name: surroundings[name] for name in _PASSED_ON if name in surroundings}
    told.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    if certificates := told.pop("SSL_CERT_FILE", None):
        told["GIT_SSL_CAINFO"] = certificates
    configured = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": "60"}
    parts = urlsplit(url)
    if password and parts.scheme in ("http", "https"):
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        configured[f"credential.{place}.helper"] = _HELPER
        told |= {_USER: user or "git", _PASSWORD: password}
    told["GIT_CONFIG_COUNT"] = str(len(configured))
    for at, (key, value) in enumerate(configured.items()):
        told |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    return Access(told, password)
