"""Lists of places, which are an environment and a model each, a page at a time."""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import Column, Select, Text, bindparam, tuple_

from muster.index.database import limited

Columns = TypeVarTuple("Columns")

_EVERY = 2**62


def a_page(found: Select[*Columns], environment: Column[str], model: Column[str]) -> Select[*Columns]:
    """`found` by environment and model, from beyond a place on; `paged` gives what it binds."""
    beyond = tuple_(environment, model) > tuple_(
        bindparam("after_environment", type_=Text()), bindparam("after_model", type_=Text())
    )
    return limited(found.where(beyond).order_by(environment, model))


def paged(
    environment: str | None, model: str | None, after: tuple[str, str] | None, limit: int | None
) -> dict[str, object]:
    """The values of a statement made by `a_page`, which may be filtered by environment and model."""
    after_environment, after_model = after or ("", "")  # no name is empty
    return {
        "environment": environment,
        "model": model,
        "after_environment": after_environment,
        "after_model": after_model,
        "limit": _EVERY if limit is None else limit,
    }
