"""Answers as plain dicts and lists that a notebook shows as tables.

Everything shown is escaped: a description is text, whatever it holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

# What a list is about goes first; what is left out is in the items all the same.
_FIRST = (
    "time",
    "environment",
    "model",
    "model_id",
    "name",
    "version",
    "number",
    "alias",
    "actor",
    "change",
    "message",
    "reason",
    "deployment_status",
    "deployed_in",
    "metrics",
    "status",
    "description",
    "owner",
    "path",
    "size",
    "sha256",
    "target",
    "rank",
    "stage",
    "last_updated",
)


class Record(dict[str, Any]):
    """One record, as the API gives it; `etag` is what `if_match` takes, None where there is none."""

    etag: str | None = None

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(key)}</th><td>{_cell(value)}</td></tr>" for key, value in self.items()
        )
        return f"<table><tbody>{rows}</tbody></table>"


class Board(list[Record]):
    """A list of records. `total` is how many there are, more perhaps than were asked for."""

    def __init__(self, items: Iterable[Mapping[str, Any]] = (), total: int | None = None) -> None:
        super().__init__(Record(item) for item in items)
        self.total = len(self) if total is None else total

    def _repr_html_(self) -> str:
        there = {key for item in self for key, value in item.items() if value not in (None, "", [], {})}
        columns = [key for key in _FIRST if key in there] or sorted(there)
        head = "".join(f"<th>{escape(key)}</th>" for key in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(item.get(key))}</td>" for key in columns) + "</tr>" for item in self
        )
        more = f"<caption>{len(self)} of {self.total}</caption>" if self.total > len(self) else ""
        return f"<table>{more}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "<br>".join(f"{escape(str(key))}: {_cell(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "<br>".join(_cell(item) for item in value)
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
