"""What is read of a version's files when they are final."""

import os
from pathlib import Path

import pytest

from muster.domain.records import Artifact, Fields
from muster.serving.inspect import ChildInspector
from tests.serving import MAGIKA, iris_onnx


def signature(folder: Path, **files: bytes) -> Fields | None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    artifacts = [Artifact(f"{name}.onnx", len(content), name) for name, content in files.items()]
    return ChildInspector(lambda sha256: folder / sha256, os.environ).signature(artifacts)


def test_the_signature_of_a_graph_is_read(tmp_path: Path) -> None:
    assert signature(tmp_path, iris=iris_onnx()) == {
        "inputs": [{"name": "X", "dtype": "FP32", "shape": [None, 4]}],
        "outputs": [
            {"name": "output_label", "dtype": "INT64", "shape": [None]},
            {"name": "output_probability", "dtype": "FP32", "shape": [None, None]},
        ],
    }


def test_the_signature_of_a_neural_network_is_read(tmp_path: Path) -> None:
    read = signature(tmp_path, magika=MAGIKA.read_bytes())
    assert read is not None
    assert read["inputs"] == [{"name": "bytes", "dtype": "INT32", "shape": [None, 2048]}]


@pytest.mark.parametrize("files", [{}, {"broken": b"no graph"}, {"a": b"", "b": b""}])
def test_files_that_cannot_be_read_have_none(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert signature(tmp_path, **files) is None
