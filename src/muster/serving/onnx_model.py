"""ONNX graphs by onnxruntime. Imported by workers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from muster.serving.runtimes import BadInput, CannotLoad, Tensor
from muster.serving.tensors import Array

_DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
}

# What onnxruntime raises; they share no base of their own.
_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class OnnxModel:
    """One inference session on the CPU, with `threads` threads."""

    platform = "onnx_onnxruntime"

    def __init__(self, folder: Path, main_file: str, threads: int) -> None:
        path = folder / main_file
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning wins microseconds and burns whole cores that other workers need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except _ERRORS as error:
            raise CannotLoad(f"onnxruntime cannot load {main_file}: {_of_load(error, path)}") from error
        self.inputs = [_tensor(node) for node in self._session.get_inputs()]
        self.outputs = [_tensor(node) for node in self._session.get_outputs()]

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        try:
            values = self._session.run(list(outputs), dict(inputs))
        except _ERRORS as error:
            raise BadInput(f"the model refused the input: {_sentence(error)}") from error
        return {name: _array(value) for name, value in zip(outputs, values, strict=True)}


def _tensor(node: Any) -> Tensor:
    """A sequence of maps, as converted classifiers give for probabilities, becomes a matrix."""
    if node.type.startswith("seq(map("):
        return Tensor(node.name, _DATATYPES[node.type.rsplit("(", 1)[1].rstrip(")")], (-1, -1))
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    if kind not in _DATATYPES:
        raise CannotLoad(f"{node.name} is a {node.type}, which cannot be sent as JSON")
    return Tensor(
        node.name, _DATATYPES[kind], tuple(size if isinstance(size, int) else -1 for size in node.shape)
    )


def _array(value: Any) -> Array:
    if isinstance(value, list):  # one map a row: class → probability, in order of the classes
        return np.array([list(row.values()) for row in value], dtype=np.float32)
    return np.asarray(value)


def _of_load(error: Exception, path: Path) -> str:
    """Without "Load model from PATH failed:": where the server keeps the file is nobody's business."""
    sentence = _sentence(error).removeprefix(f"Load model from {path} failed:")
    return sentence.replace(str(path), path.name).replace(f"{path.parent}/", "").strip()


def _sentence(error: Exception) -> str:
    """Without onnxruntime's "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : "."""
    return str(error).rsplit(" : ", 1)[-1].strip()
