"""What paths and queries hold, by type: Litestar reads it, checks it, and describes it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter, SkipValidation

from muster.http.services import Services

Given: TypeAlias = NamedDependency[SkipValidation[Services]]

InPath: TypeAlias = FromPath[str]
Wanted: TypeAlias = FromQuery[str | None]

Tags = Annotated[list[str] | None, QueryParameter(name="tag", description="key:value; may be repeated")]
Kinds = Annotated[list[str] | None, QueryParameter(description="May be repeated")]
Number = Annotated[int | None, QueryParameter(ge=1, le=2**31, description="A version's number")]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="How many at most")]
After = Annotated[str | None, QueryParameter(description="The cursor `next` of the page before")]
Before = Annotated[str | None, QueryParameter(description="The commit to go on before")]
Time = Annotated[str | None, QueryParameter(description="An RFC 3339 time")]
At = Annotated[str | None, QueryParameter(description="An RFC 3339 time or a commit: as it was then")]
Order = Annotated[
    str,
    QueryParameter(
        description="sequence, name, number, created_at, last_updated or metric:NAME; falling after a -"
    ),
]
Reason = Annotated[str, QueryParameter(description="Why; it becomes the commit's body")]
DryRun = Annotated[
    bool, QueryParameter(description="Say what would happen, with every objection, and write nothing")
]
BreakGlass = Annotated[
    bool,
    QueryParameter(
        description="Without the approvals that it needs: takes the role break-glass and a reason"
    ),
]
Wait = Annotated[bool, QueryParameter(description="Answer when it has ended: 200 with the deployment")]
WaitSeconds = Annotated[
    float, QueryParameter(ge=0, le=60, description="With If-None-Match: how long to wait for something else")
]
