"""Where a version ran: each time that it was put somewhere, until something else was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from muster.http.pages.changes_view import latest
from muster.http.pages.page import Mark, Page
from muster.http.pages.times import when
from muster.service.values import ChangeFilter, Logged

_PLACING: Final = ("deploy", "rollback", "undeploy", "deploy-failed")
_LOOK_BACK: Final = 100


@dataclass(frozen=True, slots=True)
class Run:
    """A time in an environment; `knot` as on a rail, `sentence` says how long."""

    knot: str
    sentence: str
    mark: Mark


def runs(page: Page, model: str, number: int) -> list[Run]:
    """The newest first; attempts that failed among them."""
    wanted = ChangeFilter(model=model, number=number, kinds=_PLACING)
    ended: dict[str, Logged] = {}
    found = []
    for logged in latest(page, wanted, _LOOK_BACK):
        entry = logged.entry
        environment = entry.environment or ""
        if entry.kind == "deploy-failed":
            found.append(Run("fail", f"Did not start in {environment}", page.mark(logged)))
            continue
        if entry.deployed == str(number):
            sentence = f"{environment.capitalize()}, {_how_long(logged, ended.get(environment))}"
            found.append(Run(entry.kind, sentence, page.mark(logged)))
        ended[environment] = logged
    return found


def _how_long(began: Logged, ended: Logged | None) -> str:
    return "until now" if ended is None else f"for {when(began.entry.time, ended.entry.time).age}"
