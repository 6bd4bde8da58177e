"""One call of an MLflow client: its arguments, however they travel, and who makes it.

Source: mlflow 3.18, `mlflow/server/handlers.py` and its client. GET has its arguments
in the query (or, without one, in the body); POST, PATCH and DELETE in a JSON body. A
field may be written `run_id` or `runId`; fields that nobody knows are ignored.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import parse_qs

from muster.domain import parse
from muster.domain.changes import Actor, Change
from muster.domain.errors import Invalid
from muster.http import bodies
from muster.http.services import Services
from muster.http.waiting import or_proposed
from muster.service.submissions import Recorded

T = TypeVar("T")

_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])[A-Z]")


class Refused(Exception):
    """An error that only this protocol knows: its status, MLflow's code, and what is said."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def missing(parameter: str) -> Refused:
    """A parameter that must be there is not, or is empty."""
    said = f"Missing value for required parameter '{parameter}'."
    return Refused(400, "INVALID_PARAMETER_VALUE", said)


class Arguments:
    """The arguments of one call. A null, like an absent one, takes its default."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields: dict[str, object] = {}
        for name, value in fields.items():
            spelled = _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)
            if spelled in self._fields:
                raise Invalid.one(spelled, name, "must not be there in two spellings")
            self._fields[spelled] = value

    def need(self, name: str, read: Callable[[object, str], T]) -> T:
        """What `read` makes of it. Raises Refused and Invalid."""
        value = self._fields.get(name)
        if value is None or value == "":
            raise missing(name)
        return read(value, name)

    def take(self, name: str, read: Callable[[object, str], T], default: T) -> T:
        """Likewise, but it may be absent."""
        value = self._fields.get(name)
        return default if value is None else read(value, name)

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return self._fields.get(name) is not None


def from_query(query: bytes) -> Arguments:
    """The arguments in a query; one that is repeated is a list. Raises Invalid."""
    try:
        found = parse_qs(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except (UnicodeDecodeError, ValueError):
        raise Invalid.one("query", query.decode("latin-1"), "must be percent-encoded UTF-8") from None
    return Arguments({name: values[0] if len(values) == 1 else values for name, values in found.items()})


def from_body(content: bytes, content_type: str | None) -> Arguments:
    """The arguments in a body. What cannot be read is empty, as MLflow has it. Raises Invalid."""
    if not content and content_type is None:
        return Arguments({})
    media = (content_type or "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Invalid.one("Content-Type", content_type, "must be application/json")
    try:
        body = bodies.decode(content)
    except Invalid:
        body = {}
    return Arguments(body if isinstance(body, dict) else {})


# ------------------------------------------------------------ values


def boolean(value: object, field: str) -> bool:
    """true or false, as JSON or written, in any case."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return parse.boolean(value, field)


def integer(low: int, high: int) -> Callable[[object, str], int]:
    """A whole number from `low` to `high`, as JSON or written."""
    bounded = parse.integer(low, high)

    def read(value: object, field: str) -> int:
        written = isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value)
        return bounded(int(str(value)) if written else value, field)

    return read


def texts(value: object, field: str) -> list[str]:
    """A list of texts; one alone may stand for itself."""
    several = value if isinstance(value, list) else [value]
    return [parse.text(each, field) for each in several]


# ------------------------------------------------------------ the call


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets. `base` is the server's address as the client wrote it; `rest` ends the path."""

    services: Services
    actor: Actor
    arguments: Arguments
    base: str
    rest: str = ""

    async def submit(self, change: Change) -> Recorded:
        """The change's outcome. A caller who leaves does not take it back."""

        async def work() -> Recorded:
            outcome = self.services.registry.submit(change, self.actor)
            return await asyncio.shield(asyncio.wrap_future(outcome))

        return await or_proposed(work, self.services, change, self.actor, "")


Answer: TypeAlias = Mapping[str, Any] | bytes  # bytes: encoded already
