"""A model's inputs as fields of a form, and what was typed as a request of the Open Inference Protocol V2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from muster.domain.errors import Invalid, Problem, shown

_SIDES: Final = range(4, 65)  # of what may be drawn
_WHOLE: Final = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_MOST: Final = 100_000  # values in one field
_INK: Final = {8: 16, 28: 255}  # what one draws with: digits of scikit-learn and of MNIST


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: `shape` as people write it."""

    name: str
    dtype: str
    shape: str


@dataclass(frozen=True, slots=True)
class Field:
    """An input as a field: `id` is its name in the form, `side` that of a square to draw on, 0 for none."""

    id: str
    name: str
    hint: str
    rows: int
    side: int
    ink: int
    value: str


def tensors(signature: Mapping[str, Any], kind: str) -> list[Tensor]:
    """The `inputs` or `outputs` of a signature."""
    return [
        Tensor(each["name"], each["dtype"], shape_text(each["shape"])) for each in signature.get(kind) or ()
    ]


def shape_text(shape: Sequence[int | None]) -> str:
    """`n × 8 × 8`; a dimension of any size is `n`."""
    return (
        " \N{MULTIPLICATION SIGN} ".join("n" if size is None else str(size) for size in shape) or "one value"
    )


def fields(signature: Mapping[str, Any], typed: Mapping[str, str]) -> list[Field]:
    """The inputs as fields that hold what was `typed`, or zeros."""
    return [_field(at, each, typed) for at, each in enumerate(signature.get("inputs") or ())]


def _field(at: int, tensor: Mapping[str, Any], typed: Mapping[str, str]) -> Field:
    name, one = f"input-{at}", _one(tensor["shape"])
    side = 0 if tensor["dtype"] in ("BYTES", "BOOL") else _side(one)
    count = prod(size or 1 for size in one)
    width = side or ((one[-1] or 1) if one else 1)
    zeros = "" if tensor["dtype"] == "BYTES" or count > _MOST else _written(count, width)
    hint = f"{tensor['dtype']}, {shape_text(one)}"
    rows = min(16, max(1, math.ceil(count / width)))
    return Field(name, tensor["name"], hint, rows, side, _INK.get(side, 1), typed.get(name, zeros))


def _one(shape: Sequence[int | None]) -> list[int | None]:
    """The shape of one example: without the first dimension, if that is the number of examples."""
    return list(shape[1:] if shape and shape[0] is None else shape)


def _side(shape: Sequence[int | None]) -> int:
    """The side of the square that the values fill; 0 if they are not like a small image of one colour."""
    sizes = [size for size in shape if size != 1]
    if any(size is None for size in sizes):
        return 0
    count = prod(size or 1 for size in sizes)
    side = math.isqrt(count)
    square = side * side == count and side in _SIDES
    return side if square and (len(sizes) == 1 or sizes == [side, side]) else 0


def _written(count: int, width: int) -> str:
    return "\n".join(" ".join(["0"] * min(width, count - at)) for at in range(0, count, width))


def request(signature: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """The inference request of one example. Raises Invalid, naming each field that is wrong."""
    problems: list[Problem] = []
    inputs = []
    for at, tensor in enumerate(signature.get("inputs") or ()):
        name = f"input-{at}"
        try:
            data = _values(name, typed.get(name, ""), tensor["dtype"])
            shape = _fitted(name, tensor["shape"], len(data))
        except Invalid as invalid:
            problems += invalid.problems
            continue
        inputs.append({"name": tensor["name"], "datatype": tensor["dtype"], "shape": shape, "data": data})
    if problems:
        raise Invalid(problems)
    return {"inputs": inputs}


def _values(name: str, text: str, dtype: str) -> list[Any]:
    if dtype == "BYTES":
        return text.split("\n")
    words = text.replace(",", " ").split()
    if len(words) > _MOST:
        raise Invalid.one(name, f"{len(words):,} values", f"must be at most {_MOST:,} values")
    return [_value(name, word, dtype) for word in words]


def _value(name: str, word: str, dtype: str) -> bool | int | float:
    if dtype == "BOOL":
        if word.lower() in ("0", "1", "true", "false"):
            return word.lower() in ("1", "true")
        raise Invalid.one(name, word, "must be true or false, or 1 or 0")
    try:
        number = int(word) if dtype in _WHOLE else float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        kind = "whole numbers" if dtype in _WHOLE else "numbers"
        raise Invalid.one(name, word, f"must be {kind}, with spaces or commas between them")
    return number


def _fitted(name: str, shape: Sequence[int | None], count: int) -> list[int]:
    """The shape of one example with `count` values; a further dimension of any size takes what is left."""
    found: list[int | None] = [1 if at == 0 and size is None else size for at, size in enumerate(shape)]
    known = prod(size for size in found if size is not None)
    free = found.count(None)
    if free > 1 or (free and (known == 0 or count % known)) or (not free and count != known):
        need = f"a multiple of {known}" if free else f"{known}"
        raise Invalid(
            [Problem(name, shown(count), f"must hold {need} {'value' if need == '1' else 'values'}")]
        )
    return [count // known if size is None else size for size in found]
