"""JSON ↔ arrays, as the Open Inference Protocol (V2, "Inference Request JSON Object") has it.

Imported by workers only. Every refusal is an `Invalid` that names the input, what
it held and the rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from muster.domain.errors import Invalid
from muster.serving.runtimes import Tensor

Array = np.ndarray[Any, np.dtype[Any]]

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}


def shape_text(shape: Sequence[int]) -> str:
    """`[*, 4]`: a dimension of any size as a star."""
    return "[" + ", ".join("*" if size < 0 else str(size) for size in shape) + "]"


def fits(shape: Sequence[int], tensor: Tensor) -> bool:
    """Whether `tensor` can have that shape; one without a shape of its own can have any."""
    if not tensor.shape:
        return True
    return len(shape) == len(tensor.shape) and all(
        want in (-1, size) for size, want in zip(shape, tensor.shape, strict=True)
    )


def array_of(field: str, values: Sequence[object], shape: Sequence[int], datatype: str) -> Array:
    """`values`, flat or nested as `shape` says, as an array of that shape and type.

    Raises:
        Invalid: their number, their nesting or one of them does not fit.
    """
    flat = _flat(field, values, shape)
    if len(flat) != math.prod(shape):
        raise Invalid.one(field, len(flat), f"must hold {math.prod(shape)} values, the product of its shape")
    _check_types(field, flat, datatype)
    try:
        with np.errstate(over="raise"):
            return np.array(flat, dtype=DATATYPES[datatype]).reshape(tuple(shape))
    except (OverflowError, FloatingPointError):
        low, high = _range(datatype)
        # Python's own numbers are compared, and a NaN lies nowhere, so also not outside.
        at, bad = next((at, value) for at, value in enumerate(flat) if _outside(low, value, high))
        raise Invalid.one(f"{field}[{at}]", bad, f"must be between {low} and {high} ({datatype})") from None


def output_of(name: str, array: Array) -> dict[str, object]:
    """An array as the protocol's "response output"; data is flat, in row-major order."""
    return {
        "name": name,
        "datatype": _NAMES.get(array.dtype, "BYTES"),
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }


def _range(datatype: str) -> tuple[float, float]:
    if datatype.startswith("FP"):
        floats = np.finfo(DATATYPES[datatype])
        return float(floats.min), float(floats.max)
    integers = np.iinfo(DATATYPES[datatype])
    return int(integers.min), int(integers.max)


def _outside(low: float, value: Any, high: float) -> bool:
    return bool(value < low or value > high)


def _flat(field: str, values: Sequence[object], shape: Sequence[int]) -> Sequence[object]:
    """One level of lists, whatever the nesting; nested data must nest exactly as `shape` says."""
    for size in shape[1:]:
        if not values or not isinstance(values[0], list):
            break
        rows: list[list[object]] = []
        for at, row in enumerate(values):
            if not isinstance(row, list) or len(row) != size:
                raise Invalid.one(f"{field}[{at}]", row, f"must be a list of {size}, as the shape says")
            rows.append(row)
        values = list(chain.from_iterable(rows))
    return values


def _check_types(field: str, flat: Sequence[object], datatype: str) -> None:
    allowed, words = _allowed(datatype)
    if set(map(type, flat)) <= allowed:
        return
    at, bad = next((at, value) for at, value in enumerate(flat) if type(value) not in allowed)
    raise Invalid.one(f"{field}[{at}]", bad, f"must be {words} ({datatype})")


def _allowed(datatype: str) -> tuple[set[type], str]:
    """What JSON may hold for a datatype; a boolean is no number here, whatever Python says."""
    match datatype:
        case "BOOL":
            return {bool}, "true or false"
        case "BYTES":
            return {str}, "a string"
        case "FP16" | "FP32" | "FP64":
            return {int, float}, "a number"
        case _:
            return {int}, "a whole number"
