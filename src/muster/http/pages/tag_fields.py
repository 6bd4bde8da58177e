"""Tags in a form: a row each of a name and a value; a name that is cleared removes its tag."""

from __future__ import annotations

from collections.abc import Mapping

from muster.domain.errors import Invalid, Problem, shown
from muster.http.pages.forms import Posted

NAME, VALUE = "tag_name", "tag_value"
_BLANK = 2  # rows to add tags in


def rows(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """The rows that a form is to begin with."""
    return [*sorted(tags.items()), *[("", "")] * _BLANK]


def typed(posted: Posted) -> list[tuple[str, str]]:
    """The rows as they were sent, with room for more."""
    found = [row for row in _rows(posted) if row != ("", "")]
    return [*found, *[("", "")] * _BLANK]


def updates(posted: Posted, before: Mapping[str, str]) -> dict[str, str | None]:
    """What is to be set, and with None removed, to make of `before` what was sent.

    Raises:
        Invalid: a name is there twice, or a value has none.
    """
    wanted: dict[str, str] = {}
    problems = []
    for name, value in _rows(posted):
        if not name and value and value not in before.values():
            problems.append(Problem("tags", shown(value), f"must have a name: {value} has none"))
        elif name in wanted:
            problems.append(Problem("tags", shown(name), f"must name each tag once: {name} is there twice"))
        elif name:
            wanted[name] = value
    if problems:
        raise Invalid(problems)
    changed: dict[str, str | None] = {
        name: value for name, value in wanted.items() if before.get(name) != value
    }
    return changed | {name: None for name in before if name not in wanted}


def _rows(posted: Posted) -> list[tuple[str, str]]:
    names = [name.strip() for name in posted.all(NAME)]
    return list(zip(names, posted.all(VALUE), strict=False))
