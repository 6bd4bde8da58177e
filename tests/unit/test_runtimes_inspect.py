"""What is read of a version's files when they are final."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from muster.domain.records import Artifact, Fields
from muster.serving.inspect import ChildInspector
from tests.serving import MAGIKA, iris_onnx, iris_skops, onnx_with_weights_beside_it, patient_pickle


def signature(folder: Path, **files: bytes) -> Fields | None:
    return signature_of(folder, {f"{name}.onnx": content for name, content in files.items()})


def signature_of(folder: Path, files: Mapping[str, bytes]) -> Fields | None:
    artifacts = []
    for number, (path, content) in enumerate(files.items()):
        (folder / str(number)).write_bytes(content)
        artifacts.append(Artifact(path, len(content), str(number)))
    own = folder / "inspected"
    read = ChildInspector(lambda sha256: folder / sha256, os.environ, own).signature(artifacts)
    assert not list(own.glob("*"))
    return read


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


def test_the_signature_of_a_graph_with_its_weights_beside_it_is_read(tmp_path: Path) -> None:
    assert signature_of(tmp_path, onnx_with_weights_beside_it()) == {
        "inputs": [{"name": "X", "dtype": "FP32", "shape": [None, 4]}],
        "outputs": [{"name": "Y", "dtype": "FP32", "shape": [None, 2]}],
    }


def test_the_signature_of_an_estimator_is_read(tmp_path: Path) -> None:
    read = signature_of(tmp_path, {"iris.skops": iris_skops()})
    assert read is not None
    assert read["inputs"] == [{"name": "input", "dtype": "FP64", "shape": [None, 4]}]


def test_what_runs_code_when_it_is_loaded_is_not_read(tmp_path: Path) -> None:
    assert signature_of(tmp_path, {"model.pkl": patient_pickle()}) is None
