"""What every page knows: the services, who looks, and the moment that is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from muster.domain.changes import Change
from muster.domain.errors import Denied
from muster.http.pages import security
from muster.http.pages.links import address
from muster.http.pages.rendering import answer, rendered
from muster.http.pages.times import When, when
from muster.http.pages.visitor import Visitor, visitor
from muster.http.parameters import Given
from muster.http.services import Services
from muster.http.waiting import or_proposed
from muster.http.writes import caller
from muster.service.past import moment as time_of
from muster.service.submissions import Recorded
from muster.service.values import Logged

_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Mark:
    """A change as the foot of anything that it made: who, when, why, and its commit."""

    actor: str
    verified: bool
    when: When
    reason: str
    subject: str
    commit: str
    href: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page for one visitor. `at` is the newest change of the moment shown, None for the present.

    `now` is the moment that ages count from; `done` is the change that the visitor has
    just made, and `done_nothing` says that theirs changed nothing.
    """

    services: Services
    visitor: Visitor
    path: str
    query: dict[str, str]
    now: datetime
    head: str
    at: Logged | None = None
    moment: str | None = None
    done: Logged | None = None
    done_nothing: bool = False

    def to(self, *segments: str, **query: object) -> str:
        """The address of a page at the same moment; names are quoted."""
        return address(*segments, query={**query, "at": self.moment})

    def here(self, **query: object) -> str:
        """This page's address with other values in the query; None takes one out."""
        kept: dict[str, object] = {k: v for k, v in self.query.items() if k != "done"}
        return address(query=kept | query).replace("/", _quoted(self.path), 1)

    def present(self) -> str:
        """This page's address as it is now."""
        return self.here(at=None)

    def long_ago(self) -> When:
        """The past moment that is shown, as seen from the present."""
        return when(self.now, datetime.now(UTC))

    def when(self, time: datetime | str) -> When:
        """`time` (RFC 3339 if it is text) as seen from the moment shown."""
        return when(datetime.fromisoformat(time) if isinstance(time, str) else time, self.now)

    def mark(self, logged: Logged) -> Mark:
        """Who, when, why and the commit of a change."""
        entry = logged.entry
        return Mark(
            actor=entry.actor,
            verified=entry.auth not in ("none", "import"),
            when=self.when(entry.time),
            reason=entry.reason,
            subject=entry.subject,
            commit=logged.commit,
            href=self.to("history", logged.commit),
        )

    def token(self) -> str:
        """For a form that writes."""
        return security.masked(self.visitor.token)

    async def shown(
        self, template: str, view: Callable[[], object] = lambda: None, status: int = 200, **more: object
    ) -> Response[bytes]:
        """The page: `view` is called, and the template rendered with it, in the pool of reads."""

        def work() -> bytes:
            return rendered(template, {"page": self, "visitor": self.visitor, "view": view(), **more})

        return answer(await self.services.pools.reads.run(work), self.visitor, status)

    def barred(self, change: Change) -> Denied | None:
        """What stands against the visitor's asking for such a change at all; blocks for a read."""
        try:
            self.services.registry.admit(change, self.visitor.actor)
        except Denied as denied:
            return denied
        return None

    async def submit(self, change: Change, reason: str = "") -> Recorded:
        """Have `change` recorded in the visitor's name. A visitor who leaves does not take it back."""
        actor = self.visitor.actor

        async def work() -> Recorded:
            outcome = self.services.registry.submit(change, actor, reason)
            return await asyncio.shield(asyncio.wrap_future(outcome))

        return await or_proposed(work, self.services, change, actor, reason)

    def after(self, where: str, recorded: Recorded) -> Response[bytes]:
        """303 to the address `where`, which then says what was recorded."""
        sign = "&" if "?" in where else "?"
        return self.sent_to(f"{where}{sign}done={recorded.commit or _NOTHING}")

    def sent_to(self, where: str, cookie: str | None = None) -> Response[bytes]:
        """303 to a page of this server."""
        headers = {"location": where} | ({"set-cookie": cookie} if cookie else {})
        return Response(b"", status_code=303, headers=headers)


Viewed: TypeAlias = NamedDependency[SkipValidation[Page]]


async def page_of(request: Request[Any, Any, Any], services: Given) -> Page:
    """What the request says of the page that it wants. Raises Invalid and NotFound for a bad moment."""
    return await services.pools.reads.run(partial(_page, request, services))


def _page(request: Request[Any, Any, Any], services: Services) -> Page:
    query = _query(request)
    moment = query.get("at") or None
    at = None if moment is None else services.past.at(moment)
    done = query.get("done")
    index = services.registry.index
    return Page(
        services=services,
        visitor=visitor(request.headers, request.scope["scheme"], caller(request)),
        path=request.scope["path"],
        query=query,
        now=datetime.now(UTC) if at is None or moment is None else _shown(moment, at),
        head=(index.head() or "") if at is None else at.commit,
        at=at,
        moment=moment,
        done=index.change(done) if done and done != _NOTHING else None,
        done_nothing=done == _NOTHING,
    )


def _query(request: Request[Any, Any, Any]) -> dict[str, str]:
    """What the address asks; several values of one name (boxes that are ticked) with commas between."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _shown(moment: str, at: Logged) -> datetime:
    """The time that is shown: the one asked for, or that of the commit."""
    return at.entry.time if at.commit.startswith(moment) else time_of(moment)


def _quoted(path: str) -> str:
    return address(*path.removeprefix("/").split("/"))
