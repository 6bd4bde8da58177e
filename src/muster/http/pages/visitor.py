"""Who looks at a page, as far as their request says: cookies, and where they reached this server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Final

from muster.domain.changes import Actor
from muster.domain.errors import Invalid
from muster.domain.names import actor_id
from muster.http import auth
from muster.http.pages import security

THEMES: Final = ("light", "dark")
_YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Visitor:
    """`url` is this server's address as they reached it; `token` goes into their forms.

    `theme` is None where they have chosen none: the page follows their system.
    """

    actor: Actor
    theme: str | None
    token: bytes
    is_new: bool
    url: str
    zipped: bool = False

    @property
    def is_secure(self) -> bool:
        """Whether they came over https, maybe to a proxy before this server."""
        return self.url.startswith("https:")

    def cookie(self, name: str, value: str | None, lasts: timedelta = _YEAR) -> str:
        """A Set-Cookie header; None removes the cookie. Out of reach of scripts and other sites."""
        pair = f"{_called(name, self.is_secure)}={value or ''}"
        rules = [
            "Path=/",
            f"Max-Age={0 if value is None else int(lasts.total_seconds())}",
            "HttpOnly",
            "SameSite=Lax",
        ]
        return "; ".join([pair, *rules, *(["Secure"] if self.is_secure else [])])

    def greeting(self) -> dict[str, str]:
        """The header that a page needs to come with, for their forms to be taken."""
        return {"set-cookie": self.cookie("token", security.written(self.token))} if self.is_new else {}


def visitor(headers: Mapping[str, str], scheme: str, caller: Actor | None = None) -> Visitor:
    """Who sent `headers`: `caller`, if that is proven; else as far as their cookies say."""
    if headers.get("x-forwarded-proto", "").lower() == "https":
        scheme = "https"
    secure = scheme == "https"
    cookies = _cookies(headers.get("cookie", ""))
    token = security.read(cookies.get(_called("token", secure)))
    theme = cookies.get(_called("theme", secure))
    return Visitor(
        actor=_actor(headers, cookies.get(_called("actor", secure)), caller or auth.ANONYMOUS),
        theme=theme if theme in THEMES else None,
        token=token or security.new_token(),
        is_new=token is None,
        url=f"{scheme}://{headers.get('host', '')}",
        zipped="gzip" in headers.get("accept-encoding", ""),
    )


def _called(name: str, secure: bool) -> str:
    # With the prefix a browser takes it from no sibling domain (RFC 6265bis, 4.1.3).
    return f"__Host-muster_{name}" if secure else f"muster_{name}"


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _actor(headers: Mapping[str, str], said: str | None, caller: Actor) -> Actor:
    if said is None or caller.auth != "none" or "x-muster-actor" in headers:
        return caller
    try:
        return Actor(actor_id(said))
    except Invalid:  # an old cookie, or one that somebody has edited
        return caller
