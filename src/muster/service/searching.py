"""Searches with conditions and an order, over models and over versions; the index answers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from muster.domain.records import Model

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "like", "ilike", "in", "not in"]
Operand = str | int | tuple[str, ...]

MODEL_FIELDS = ("name",)
VERSION_FIELDS = ("name", "number", "run_id", "uri")
MODEL_ORDERS = ("name", "last_updated")
VERSION_ORDERS = ("name", "number", "created_at", "last_updated")


@dataclass(frozen=True, slots=True)
class Compared:
    """What a field of the record must be.

    `like` and `ilike` take patterns: `%` is any run of characters, `_` is one, and
    nothing escapes them; only `ilike` has no regard to case. `in` and `not in` take
    a tuple of texts, `number` an integer. What a record does not have is "".
    """

    field: str
    operator: Operator
    operand: Operand


@dataclass(frozen=True, slots=True)
class Tagged:
    """What the value of the tag `key` must be; a record without the tag never matches."""

    key: str
    operator: Operator
    operand: str


@dataclass(frozen=True, slots=True)
class Untagged:
    """The record has no tag `key` with that value, whatever its case."""

    key: str
    value: str


Condition = Compared | Tagged | Untagged


@dataclass(frozen=True, slots=True)
class Order:
    """One key of an order. `last_updated` and `created_at` go by whole milliseconds."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the answer is asked for.

    `after` are the values of the order's keys in the last row that the caller has;
    `skip` rows after it are left out.
    """

    limit: int
    after: tuple[str | int, ...] | None = None
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A model as searches give it.

    `newest` are the records, as the API shows them, of the version with the highest
    number of each stage that has one; `place` are its values of the order's keys.
    """

    model: Model
    created_at: str
    last_updated: str
    newest: tuple[bytes, ...]
    place: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A version as searches give it: its record, its aliases, its values of the order's keys."""

    document: bytes
    aliases: tuple[str, ...]
    place: tuple[str | int, ...] = ()


class Searches(Protocol):
    """The part of `Index` that answers searches. Deleted models and versions are never found."""

    def listed(self, model: str) -> Listed | None:
        """The live model of that name."""
        ...

    def hit(self, model: str, number: int) -> Hit | None:
        """The live version of that number."""
        ...

    def search_models(
        self, conditions: Sequence[Condition], order: Sequence[Order], page: Page
    ) -> list[Listed]:
        """Live models that meet all conditions; `order` ends in `name`."""
        ...

    def search_versions(
        self, conditions: Sequence[Condition], order: Sequence[Order], page: Page
    ) -> list[Hit]:
        """Live versions that meet all conditions; `order` holds `name` and `number`."""
        ...
