"""Both searches: conditions and order from the request, pages by the place of their last row."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec

from muster.dialects import mlflow_filter as filters
from muster.dialects import mlflow_shapes as shapes
from muster.dialects.mlflow_call import Call, integer, texts
from muster.domain import parse
from muster.service.searching import Condition, Hit, Listed, Order, Page

MAX_MODELS: Final = 1_000
MAX_VERSIONS: Final = 200_000
PAGE: Final = 10_000  # versions at once, however many are asked for; the token says that there are more


async def models(call: Call) -> bytes:
    """A page of models that match."""
    limit = call.arguments.take("max_results", integer(1, MAX_MODELS), 100)
    conditions, order, page = _wanted(call, filters.MODELS, limit)
    index = call.services.registry.index

    def work() -> bytes:
        found = index.search_models(conditions, order, page)
        return _answer(
            "registered_models", [shapes.model(each) for each in found[:limit]], found, order, limit
        )

    return await call.services.pools.reads.run(work)


async def versions(call: Call) -> bytes:
    """A page of versions that match."""
    limit = min(call.arguments.take("max_results", integer(1, MAX_VERSIONS), MAX_VERSIONS), PAGE)
    conditions, order, page = _wanted(call, filters.VERSIONS, limit)
    index = call.services.registry.index

    def work() -> bytes:
        found = index.search_versions(conditions, order, page)
        return _answer("model_versions", [shapes.of_hit(each) for each in found[:limit]], found, order, limit)

    return await call.services.pools.reads.run(work)


def _wanted(
    call: Call, dialect: filters.Dialect, limit: int
) -> tuple[list[Condition], tuple[Order, ...], Page]:
    given = call.arguments
    conditions = filters.conditions(
        given.take("filter", partial(parse.text, limit=filters.MAX_FILTER), ""), dialect
    )
    order = filters.order(given.take("order_by", texts, list[str]()), dialect)
    token = given.take("page_token", parse.text, "")
    after, skip = filters.place(token, order) if token else (None, 0)
    return conditions, order, Page(limit + 1, after, skip)


def _answer(
    name: str,
    shown: list[dict[str, Any]],
    found: list[Listed] | list[Hit],
    order: tuple[Order, ...],
    limit: int,
) -> bytes:
    answer: dict[str, Any] = {name: shown} if shown else {}
    if len(found) > limit:
        answer["next_page_token"] = filters.token(found[limit - 1].place, order)
    return msgspec.json.encode(answer)
