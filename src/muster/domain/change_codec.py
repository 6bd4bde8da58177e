"""Changes ↔ plain JSON: what waits in a proposal is the change itself, field by field.

    {"kind": "deploy", "environment": "production", "model": "digits", "number": 2}

What is as it is by default is left out. Driven by the types that a change declares, so
that every kind can wait, one that is added later, too.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, Literal

from muster.domain import changes as c
from muster.domain.errors import Invalid
from muster.domain.records import Fields, Json

_NEVER_KEPT: Final = frozenset({"carries_out", "break_glass"})
_WORDS: Final[dict[Any, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
_CONDITIONS: Final = {"expected": None, "guarded": False}


def change_to_dict(change: c.Change) -> dict[str, Json]:
    """The change as plain values."""
    return {"kind": change.kind, **_fields(change)}


def change_from_dict(record: Fields, field: str = "change") -> c.Change:
    """The reverse of `change_to_dict`.

    Raises:
        Invalid: it is no change; the field that is wrong is named below `field`.
    """
    if not isinstance(record, Mapping):
        raise Invalid.one(field, record, "must be an object")
    kind = _kinds().get(record.get("kind", ""))
    if kind is None:
        raise Invalid.one(f"{field}.kind", record.get("kind"), "must be a kind of change")
    change = _made(kind, {key: value for key, value in record.items() if key != "kind"}, field)
    assert isinstance(change, c.Change)
    return change


def bare(change: c.Change) -> c.Change:
    """What the change is to do, without who permits it and on which condition: two are the same by this."""
    there = {each.name for each in dataclasses.fields(change)}
    values: dict[str, Any] = {"carries_out": None, "break_glass": False}
    if isinstance(change, c.Release):
        values["parts"] = tuple(map(bare, change.parts))
    return dataclasses.replace(change, **values | {k: v for k, v in _CONDITIONS.items() if k in there})


@lru_cache(maxsize=1)
def _kinds() -> dict[str, type[c.Change]]:
    named = (getattr(c, name) for name in c.__all__)
    return {
        each.kind: each
        for each in named
        if isinstance(each, type) and issubclass(each, c.Change) and each is not c.Change
    }


# ------------------------------------------------------------ writing


def _fields(value: Any) -> dict[str, Json]:
    return {
        field.name: _plain(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if field.name not in _NEVER_KEPT and not _is_default(field, getattr(value, field.name))
    }


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    if field.default is not dataclasses.MISSING:
        return bool(field.default == value)
    return field.default_factory is not dataclasses.MISSING and bool(field.default_factory() == value)


def _plain(value: Any) -> Json:
    if isinstance(value, c.Change):
        return change_to_dict(value)
    if dataclasses.is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


# ------------------------------------------------------------ reading


def _made(kind: Any, record: Mapping[str, Json], field: str) -> Any:
    """An instance of the dataclass `kind`. Raises Invalid."""
    known = {each.name: each for each in dataclasses.fields(kind) if each.name not in _NEVER_KEPT}
    for name in record:
        if name not in known:
            raise Invalid.one(f"{field}.{name}", record[name], f"is no field of {kind.__name__}")
    for name, each in known.items():
        needed = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        if needed and name not in record:
            raise Invalid.one(f"{field}.{name}", None, "must be there")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _read(hints[name], value, f"{field}.{name}") for name, value in record.items()})


def _read(wanted: Any, value: Json, field: str) -> Any:
    """`value` as the type `wanted` has it. Raises Invalid."""
    options = list(_options(wanted))
    for option in options:
        if _fits(option, value):
            return _as(option, value, field)
    raise Invalid.one(field, value, f"must be {' or '.join(map(_called, options))}")


def _options(wanted: Any) -> Iterator[Any]:
    """The types of which one is wanted."""
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        for each in typing.get_args(wanted):
            yield from _options(each)
    else:
        yield wanted


def _fits(wanted: Any, value: Json) -> bool:
    origin = typing.get_origin(wanted)
    if wanted is Any:
        return True
    if origin is Literal:
        return value in typing.get_args(wanted)
    if origin is tuple:
        return isinstance(value, (list, tuple))
    if origin is not None:
        return isinstance(value, Mapping)
    if dataclasses.is_dataclass(wanted):
        return isinstance(value, Mapping)
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)


def _as(wanted: Any, value: Json, field: str) -> Any:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        return tuple(_read(arguments[0], item, f"{field}[{at}]") for at, item in enumerate(value))
    if origin is not None and origin is not Literal:
        return {key: _read(arguments[1], item, f"{field}.{key}") for key, item in value.items()}
    if isinstance(wanted, type) and issubclass(wanted, c.Change):
        return change_from_dict(value, field)
    return _made(wanted, value, field) if dataclasses.is_dataclass(wanted) else value


def _called(wanted: Any) -> str:
    if wanted is type(None):
        return "null"
    if typing.get_origin(wanted) is Literal:
        return " or ".join(map(repr, typing.get_args(wanted)))
    if typing.get_origin(wanted) is tuple:
        return "a list"
    if typing.get_origin(wanted) is not None or dataclasses.is_dataclass(wanted):
        return "an object"
    return _WORDS.get(wanted, "a value of another type")
