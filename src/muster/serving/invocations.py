"""Requests and answers of MLflow's `/invocations`, as far as tensors can take them.

Supported: `dataframe_split`, `dataframe_records`, `instances`, `inputs`, each as
JSON. Not supported, and refused: `params` that hold anything, CSV. (MLflow
documentation, "Deploy MLflow Model as a Local Inference Server", section "Accepted
Input Formats".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.domain.errors import Invalid
from muster.serving.runtimes import Tensor
from muster.serving.tensors import Array, array_of, fits, shape_text

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def parse_invocation(body: object, inputs: Sequence[Tensor]) -> dict[str, Array]:
    """The arrays, by input, of one request.

    Raises:
        Invalid: naming the field, what it held and the rule.
    """
    forms = [form for form in FORMS if isinstance(body, dict) and form in body]
    if not isinstance(body, dict) or len(forms) != 1:
        raise Invalid.one("body", body, f"must be an object with exactly one of {', '.join(FORMS)}")
    form = forms[0]
    if body.get("params"):
        raise Invalid.one("params", body["params"], "must be left out: models take none here")
    if others := sorted(str(key) for key in body if key not in (form, "params")):
        raise Invalid.one("body", others, f"must hold nothing but {form}")
    match form:
        case "dataframe_split":
            columns, rows = _split(body[form])
            return _from_frame(form, columns, rows, inputs)
        case "dataframe_records":
            columns, rows = _records(body[form])
            return _from_frame(form, columns, rows, inputs)
        case "instances":
            return _from_instances(body[form], inputs)
        case _:
            return _from_inputs(body[form], inputs)


def predictions(results: Mapping[str, Array]) -> dict[str, object]:
    """The answer: a list for a model with one output, else lists by output."""
    lists = {name: array.tolist() for name, array in results.items()}
    return {"predictions": next(iter(lists.values())) if len(lists) == 1 else lists}


def _split(frame: Any) -> tuple[list[str] | None, list[Any]]:
    if not isinstance(frame, dict) or not isinstance(frame.get("data"), list):
        raise Invalid.one("dataframe_split", frame, "must be an object with 'columns' and 'data'")
    columns = frame.get("columns")
    if columns is not None and not isinstance(columns, list):
        raise Invalid.one("dataframe_split.columns", columns, "must be a list of names")
    return (None if columns is None else [str(column) for column in columns]), frame["data"]


def _records(records: Any) -> tuple[list[str], list[Any]]:
    if not isinstance(records, list) or not records or not all(isinstance(row, dict) for row in records):
        raise Invalid.one("dataframe_records", records, "must be a list of objects, column → value")
    columns = list(records[0])
    for at, row in enumerate(records):
        if set(row) != set(columns):
            raise Invalid.one(
                f"dataframe_records[{at}]", list(row), f"must have the columns {', '.join(columns)}"
            )
    return columns, [[row[column] for column in columns] for row in records]


def _from_frame(
    form: str, columns: list[str] | None, rows: list[Any], inputs: Sequence[Tensor]
) -> dict[str, Array]:
    width = len(columns) if columns is not None else None
    for at, row in enumerate(rows):
        if not isinstance(row, list) or (width is not None and len(row) != width):
            raise Invalid.one(f"{form}.data[{at}]", row, f"must be a list of {width or 'some'} values")
    names = [tensor.name for tensor in inputs]
    if columns is not None and set(names) <= set(columns):
        at_column = {name: columns.index(name) for name in names}
        return {
            tensor.name: _array(
                f"{form}.{tensor.name}", [row[at_column[tensor.name]] for row in rows], tensor
            )
            for tensor in inputs
        }
    if len(inputs) > 1:
        raise Invalid.one(
            f"{form}.columns", columns, f"must hold every input of the model: {', '.join(names)}"
        )
    if inputs[0].columns and columns is not None:
        rows = _in_order(form, columns, rows, inputs[0].columns)
    return {names[0]: _array(form, rows, inputs[0])}


def _in_order(form: str, columns: list[str], rows: list[Any], wanted: Sequence[str]) -> list[Any]:
    """The rows with the columns that the model was trained with, in that order."""
    if missing := [name for name in wanted if name not in columns]:
        raise Invalid.one(f"{form}.columns", columns, f"must hold {', '.join(missing)}")
    order = [columns.index(name) for name in wanted]
    return [[row[at] for at in order] for row in rows]


def _from_instances(rows: Any, inputs: Sequence[Tensor]) -> dict[str, Array]:
    if not isinstance(rows, list):
        raise Invalid.one("instances", rows, "must be a list, an element a row")
    if rows and isinstance(rows[0], dict):
        for at, row in enumerate(rows):
            if not isinstance(row, dict) or set(row) != {tensor.name for tensor in inputs}:
                names = ", ".join(tensor.name for tensor in inputs)
                raise Invalid.one(f"instances[{at}]", row, f"must be an object with {names}")
        return {
            tensor.name: _array(f"instances.{tensor.name}", [row[tensor.name] for row in rows], tensor)
            for tensor in inputs
        }
    return _from_inputs(rows, inputs, "instances")


def _from_inputs(values: Any, inputs: Sequence[Tensor], field: str = "inputs") -> dict[str, Array]:
    names = ", ".join(tensor.name for tensor in inputs)
    if isinstance(values, dict):
        if set(values) != {tensor.name for tensor in inputs}:
            raise Invalid.one(field, list(values), f"must hold exactly the model's inputs: {names}")
        return {
            tensor.name: _array(f"{field}.{tensor.name}", values[tensor.name], tensor) for tensor in inputs
        }
    if len(inputs) != 1:
        raise Invalid.one(field, values, f"must be an object with the model's inputs: {names}")
    return {inputs[0].name: _array(field, values, inputs[0])}


def _array(field: str, values: Any, tensor: Tensor) -> Array:
    """`values` as the tensor wants them; a last dimension of 1 may be left out or be too much."""
    if not isinstance(values, list):
        raise Invalid.one(field, values, "must be a list")
    shape = _shape(values)
    array = array_of(field, _coerced(values, tensor.datatype), shape, tensor.datatype)
    for candidate in (shape, [*shape, 1], shape[:-1] if shape[-1] == 1 else shape):
        if fits(candidate, tensor):
            return array.reshape(candidate)
    raise Invalid.one(f"{field} of shape", shape, f"must have the shape {shape_text(tensor.shape)}")


def _shape(values: Any) -> list[int]:
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        if not values:
            break
        values = values[0]
    return shape


def _coerced(values: list[Any], datatype: str) -> list[Any]:
    """JSON has one kind of number and no NaN: 3.0 may stand for 3, null for NaN."""
    return [
        _coerced(value, datatype)
        if isinstance(value, list)
        else int(value)
        if isinstance(value, float) and "INT" in datatype and value.is_integer()
        else float("nan")
        if value is None and datatype.startswith("FP")
        else value
        for value in values
    ]
