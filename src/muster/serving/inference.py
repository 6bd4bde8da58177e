"""Requests and answers of `/infer`, in the Open Inference Protocol V2 (its REST/JSON form)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.domain.errors import Invalid
from muster.serving.runtimes import Tensor
from muster.serving.tensors import DATATYPES, Array, array_of, fits, output_of, shape_text


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that the model can be asked: arrays by name, and the outputs wanted."""

    inputs: Mapping[str, Array]
    outputs: Sequence[str]
    id: str | None = None


def parse_inference(body: object, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Inference:
    """Check an "inference request JSON object" against the model's inputs and outputs.

    Raises:
        Invalid: naming the input, what it held and the rule.
    """
    if not isinstance(body, dict):
        raise Invalid.one("body", body, "must be an object with 'inputs'")
    given = body.get("inputs")
    if not isinstance(given, list):
        raise Invalid.one("inputs", given, "must be a list of tensors")
    arrays: dict[str, Array] = {}
    known = {tensor.name: tensor for tensor in inputs}
    for at, item in enumerate(given):
        name, array = _parse_input(f"inputs[{at}]", item, known)
        if name in arrays:
            raise Invalid.one(f"inputs[{at}].name", name, "must not be given twice")
        arrays[name] = array
    if missing := [name for name in known if name not in arrays]:
        raise Invalid.one(
            "inputs", list(arrays), f"must hold every input of the model; missing: {', '.join(missing)}"
        )
    request_id = body.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise Invalid.one("id", request_id, "must be a string")
    return Inference(arrays, _parse_outputs(body.get("outputs"), outputs), request_id)


def answer(inference: Inference, results: Mapping[str, Array], model: str, number: int) -> dict[str, object]:
    """The "inference response JSON object"."""
    known = inference.outputs and all(name in results for name in inference.outputs)
    names = (
        inference.outputs if known else list(results)
    )  # MLflow's models may not know before what they give
    body: dict[str, object] = {
        "model_name": model,
        "model_version": str(number),
        "outputs": [output_of(name, results[name]) for name in names],
    }
    return body if inference.id is None else {"id": inference.id, **body}


def _parse_input(field: str, item: object, known: Mapping[str, Tensor]) -> tuple[str, Array]:
    if not isinstance(item, dict):
        raise Invalid.one(field, item, "must be an object with name, shape, datatype and data")
    name = item.get("name")
    if not isinstance(name, str) or name not in known:
        raise Invalid.one(f"{field}.name", name, f"must be an input of the model: {', '.join(known)}")
    tensor = known[name]
    if item.get("datatype") not in DATATYPES:
        raise Invalid.one(f"{field}.datatype", item.get("datatype"), f"must be one of {', '.join(DATATYPES)}")
    if item["datatype"] != tensor.datatype:
        raise Invalid.one(
            f"{field}.datatype", item["datatype"], f"must be {tensor.datatype} for input {name!r}"
        )
    shape = _parse_shape(f"{field}.shape", item.get("shape"), tensor)
    data = item.get("data")
    if not isinstance(data, list):
        raise Invalid.one(f"{field}.data", data, f"must be a list of values for input {name!r}")
    return name, array_of(f"{field}.data", data, shape, tensor.datatype)


def _parse_shape(field: str, shape: object, tensor: Tensor) -> list[int]:
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise Invalid.one(field, shape, "must be a list of whole numbers")
    if not fits(shape, tensor):
        raise Invalid.one(field, shape, f"must be {shape_text(tensor.shape)} for input {tensor.name!r}")
    return shape


def _parse_outputs(wanted: Any, outputs: Sequence[Tensor]) -> list[str]:
    known = [tensor.name for tensor in outputs]
    if not wanted:
        return known
    if not isinstance(wanted, list):
        raise Invalid.one("outputs", wanted, "must be a list of objects with a name")
    names = []
    for at, item in enumerate(wanted):
        name = item.get("name") if isinstance(item, dict) else item
        if name not in known:
            raise Invalid.one(
                f"outputs[{at}].name", name, f"must be an output of the model: {', '.join(known)}"
            )
        names.append(name)
    return names


def describe(tensor: Tensor) -> dict[str, object]:
    """A tensor as model metadata shows it."""
    described: dict[str, object] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
    }
    if tensor.columns:
        described["parameters"] = {"columns": list(tensor.columns)}
    return described
