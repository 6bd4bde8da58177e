"""The registry as one board: models down, environments across. What a board asks of an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from muster.service.values import Found, Logged

Order = Literal["name", "changed", "oldest"]
ORDERS: Final[tuple[Order, ...]] = ("name", "changed", "oldest")


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """Which models a board is to hold; None asks for nothing.

    `text` is looked for in names and owners without regard to case; where none has it,
    it finds the models of which a version with exactly that label, or by exactly that
    actor, is deployed. `owner` "" is for models without one. `order` `oldest` begins with
    what has been in `environment` longest, and leaves out what is not there.
    """

    text: str | None = None
    owner: str | None = None
    order: Order = "name"
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A version that is declared to run in an environment, and the change that says so."""

    environment: str
    number: int
    label: str | None
    by: Logged


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A model, its newest version, and what of it is declared where, by environment."""

    model: str
    owner: str | None
    newest: tuple[int, str | None] | None
    placed: Mapping[str, Standing]


@dataclass(frozen=True, slots=True)
class PastRow:
    """A model as it was at some position; `owner` is that of now if the model was `touched` since."""

    model: str
    owner: str | None
    touched: bool
    newest: tuple[int, str | None] | None
    placed: Mapping[str, Standing]


class Board(Protocol):
    """The part of `Index` that a board asks."""

    def board_names(self, wanted: BoardFilter) -> list[str]:
        """The names of all live models that match, in the order asked for."""
        ...

    def board_rows(self, names: Sequence[str]) -> list[BoardRow]:
        """The rows of live models, in the order of `names`; of a hundred at most."""
        ...

    def owners(self) -> list[tuple[str | None, int]]:
        """Every owner of live models and how many they have, by name; None is for those without."""
        ...

    def with_bases(self, after: int) -> list[Found]:
        """Live versions with bases that were registered after the sequence `after`, the oldest first."""
        ...

    def names_then(self, position: int, text: str | None = None) -> list[str]:
        """The names of the models that were there at that position of the log, with `text` in them."""
        ...

    def rows_then(self, position: int, names: Sequence[str]) -> list[PastRow]:
        """The rows of models at that position of the log, in the order of `names`; of a hundred at most."""
        ...

    def newest_then(self, position: int, model: str) -> tuple[int, str | None] | None:
        """The number and label of the newest version that the model had at that position."""
        ...
