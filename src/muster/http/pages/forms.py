"""What a visitor posted: fields as text, from a form that this server made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from muster.domain.errors import ApprovalNeeded, Denied, Invalid, MusterError, Objection, Problem
from muster.domain.parse import Form
from muster.http import bodies
from muster.http.pages import security
from muster.http.pages.links import address
from muster.http.pages.visitor import visitor
from muster.http.parameters import Given
from muster.http.problems import refusal

TOKEN = "token"  # noqa: S105  the name of a field
_KIND = "application/x-www-form-urlencoded"
_FIELDS = 2000


@dataclass(frozen=True, slots=True)
class Posted:
    """The fields of a form, in the order in which they came."""

    fields: tuple[tuple[str, str], ...]

    def text(self, name: str, default: str = "") -> str:
        """The last value of that name; line ends as `\\n`."""
        found = [value for key, value in self.fields if key == name]
        return found[-1] if found else default

    def all(self, name: str) -> list[str]:
        """Every value of that name."""
        return [value for key, value in self.fields if key == name]

    def form(self, *names: str) -> Form:
        """Those of `names` that are not empty, for the parsers of the domain."""
        return Form({name: text for name in names if (text := self.text(name)) != ""})


FromForm: TypeAlias = NamedDependency[SkipValidation[Posted]]


async def posted(request: Request[Any, Any, Any], services: Given) -> Posted:
    """The form in the request.

    Raises:
        Denied: it does not hold the visitor's token, so it may be from elsewhere.
        Invalid, TooLarge: it is no form, or too large a one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _KIND:
        raise Invalid.one("Content-Type", kind, f"must be {_KIND}")
    length = request.headers.get("content-length")
    content = await bodies.read(request.receive, length, services.max_body_bytes)
    try:
        found = parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise Invalid.one(
            "body", "what came", f"must be a form of at most {_FIELDS:,} fields in UTF-8"
        ) from None
    form = Posted(tuple((name, value.replace("\r\n", "\n")) for name, value in found))
    check_token(request, form.text(TOKEN))
    return form


def check_token(request: Request[Any, Any, Any], sent: str | None) -> None:
    """Raises Denied unless `sent` is the token of who sent the request."""
    sender = visitor(request.headers, request.scope["scheme"])
    if sender.is_new or not security.agrees(sent, sender.token):
        raise Denied.one(
            "form", "this form is too old, or another site's: open the page again and send it from there"
        )


async def or_again(
    work: Callable[[], Awaitable[Response[bytes]]],
    again: Callable[[MusterError], Awaitable[Response[bytes]]],
) -> Response[bytes]:
    """What `work` answers; if it is refused, what `again` makes of that: the form, with what was wrong.

    What waits for approval now leads to its proposal.
    """
    try:
        return await work()
    except ApprovalNeeded as waits:
        if waits.proposal is None:
            return await again(waits)
        headers = {"location": address("proposals", waits.proposal)}
        return Response(b"", status_code=303, headers=headers)
    except MusterError as refused:
        return await again(refused)


def problems(refused: MusterError | None) -> dict[str, Problem]:
    """What was wrong, by the name of the field that it stands beside."""
    return {each.field: each for each in refused.problems} if isinstance(refused, Invalid) else {}


def objections_of(error: MusterError) -> tuple[Objection, ...]:
    """A refusal as the rules that it names."""
    return error.objections if isinstance(error, Denied) else (Objection(error.code, error.message),)


def status_of(refused: MusterError | None) -> int:
    """The status of a form that is shown again, or for the first time."""
    return 200 if refused is None else refusal(refused).status
