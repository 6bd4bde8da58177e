"""Which runtime serves which files, and what each refuses to load."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import ClassVar

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from muster.domain.errors import NoRuntime
from muster.serving.runtimes import BadInput, CannotLoad, Onnx, Pickle, Runtimes, Skops, Tensor
from tests.serving import FLOWER, MAGIKA, iris, iris_onnx, iris_skops


def written(folder: Path, **files: bytes) -> dict[str, Path]:
    """Files by their path; a double underscore in a name stands for the dot."""
    paths = {}
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content)
        paths[path.name] = path
    return paths


def chosen(files: dict[str, Path], named: str | None = None, allow_pickle: bool = False) -> tuple[str, str]:
    runtime, main_file = Runtimes.installed().choose(files, named, allow_pickle)
    return runtime.name, main_file


class TestRecognising:
    def test_ours_are_installed_and_those_that_run_code_come_last(self) -> None:
        assert Runtimes.installed().names == ["mlflow", "onnx", "skops", "pickle"]

    def test_by_the_ending(self, tmp_path: Path) -> None:
        assert chosen(written(tmp_path, model__onnx=b"", notes__txt=b"")) == ("onnx", "model.onnx")
        assert chosen(written(tmp_path, iris__skops=b"")) == ("skops", "iris.skops")

    def test_by_the_beginning_where_there_is_no_ending(self, tmp_path: Path) -> None:
        assert chosen(written(tmp_path, a=iris_onnx())) == ("onnx", "a")
        assert chosen(written(tmp_path, b=MAGIKA.read_bytes())) == ("onnx", "b")
        assert chosen(written(tmp_path, c=iris_skops())) == ("skops", "c")
        assert chosen(written(tmp_path, d=pickle.dumps(1)), allow_pickle=True) == ("pickle", "d")

    def test_of_several_files_the_one_called_model_is_served(self, tmp_path: Path) -> None:
        files = written(tmp_path, model__onnx=b"", other__onnx=b"")
        assert chosen(files) == ("onnx", "model.onnx")

    def test_several_files_without_such_a_name_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(NoRuntime, match=r"several ONNX files \(a\.onnx, b\.onnx\); .* model\.onnx"):
            chosen(written(tmp_path, a__onnx=b"", b__onnx=b""))

    def test_a_runtime_that_is_named_settles_it(self, tmp_path: Path) -> None:
        files = written(tmp_path, model__onnx=b"", model__skops=b"")
        assert chosen(files, "skops") == ("skops", "model.skops")
        with pytest.raises(NoRuntime, match=r"called 'torch'. The runtimes here are: mlflow, onnx"):
            chosen(files, "torch")
        with pytest.raises(NoRuntime, match="No file of the runtime 'onnx' is among"):
            chosen(written(tmp_path, iris__skops=b""), "onnx")

    def test_a_pickle_is_refused_unless_it_is_allowed(self, tmp_path: Path) -> None:
        for name in ("m__pkl", "m__pickle", "m__joblib", "m__cloudpickle"):
            files = written(tmp_path, **{name: b""})
            with pytest.raises(NoRuntime, match=r"runs code when it is loaded .* allow_pickle"):
                chosen(files)
            assert chosen(files, allow_pickle=True)[0] == "pickle"

    def test_no_files_at_all_are_refused(self) -> None:
        with pytest.raises(NoRuntime, match=r"version's files \(none\)"):
            chosen({})


class TestOnnx:
    def test_a_graph_gives_its_tensors_and_its_predictions(self, tmp_path: Path) -> None:
        written(tmp_path, model__onnx=iris_onnx())
        model = Onnx().load(tmp_path, "model.onnx", 1)
        assert model.inputs == [Tensor("X", "FP32", (-1, 4))]
        assert [tensor.name for tensor in model.outputs] == ["output_label", "output_probability"]
        flowers = np.array([FLOWER], np.float32)
        results = model.predict({"X": flowers}, ["output_label", "output_probability"])
        assert results["output_label"].tolist() == [0]
        assert results["output_probability"] == pytest.approx(iris().predict_proba(flowers), abs=1e-5)

    @pytest.mark.parametrize("content", [b"", b"not a graph", iris_onnx()[:300]])
    def test_what_is_no_graph_cannot_be_loaded(self, tmp_path: Path, content: bytes) -> None:
        written(tmp_path, model__onnx=content)
        with pytest.raises(CannotLoad, match=r"onnxruntime cannot load model\.onnx: ") as refused:
            Onnx().load(tmp_path, "model.onnx", 1)
        assert str(tmp_path) not in str(refused.value), "a place of the server's own"

    def test_what_the_graph_cannot_take_is_bad_input(self, tmp_path: Path) -> None:
        written(tmp_path, model__onnx=iris_onnx())
        model = Onnx().load(tmp_path, "model.onnx", 1)
        with pytest.raises(BadInput, match="the model refused the input"):
            model.predict({"X": np.zeros((1, 5), np.float32)}, ["output_label"])


class Planted:
    """What a file from elsewhere may hold."""

    ran: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.ran.append("made")

    def predict(self, rows: object) -> object:
        return rows


class TestEstimators:
    def test_a_skops_file_gives_its_tensors_and_its_predictions(self, tmp_path: Path) -> None:
        written(tmp_path, iris__skops=iris_skops())
        model = Skops().load(tmp_path, "iris.skops", 1)
        assert model.inputs == [Tensor("input", "FP64", (-1, 4))]
        assert model.outputs == [Tensor("predict", "INT64", (-1,)), Tensor("predict_proba", "FP64", (-1, 3))]
        results = model.predict({"input": np.array([FLOWER])}, ["predict", "predict_proba"])
        assert results["predict"].tolist() == [0]
        assert results["predict_proba"].shape == (1, 3)

    def test_types_that_skops_does_not_trust_are_refused_by_name(self, tmp_path: Path) -> None:
        estimator = make_pipeline(FunctionTransformer(Planted), LinearRegression())
        written(tmp_path, iris__skops=skops.io.dumps(estimator))
        with pytest.raises(CannotLoad, match=r"holds types that skops does not trust: .*Planted"):
            Skops().load(tmp_path, "iris.skops", 1)
        assert Planted.ran == []

    def test_a_broken_skops_file_cannot_be_loaded(self, tmp_path: Path) -> None:
        written(tmp_path, iris__skops=iris_skops()[:500])
        with pytest.raises(CannotLoad, match=r"skops cannot load iris\.skops: "):
            Skops().load(tmp_path, "iris.skops", 1)

    def test_an_allowed_pickle_is_served(self, tmp_path: Path) -> None:
        joblib.dump(iris(), tmp_path / "iris.joblib")
        model = Pickle().load(tmp_path, "iris.joblib", 1)
        assert model.predict({"input": np.array([FLOWER])}, ["predict"])["predict"].tolist() == [0]

    def test_what_cannot_predict_is_refused(self, tmp_path: Path) -> None:
        joblib.dump([1, 2], tmp_path / "list.joblib")
        with pytest.raises(CannotLoad, match="holds a list, which has no predict"):
            Pickle().load(tmp_path, "list.joblib", 1)

    def test_labels_that_are_words_are_sent_as_words(self, tmp_path: Path) -> None:
        classifier = iris().__class__(max_iter=500).fit([[0.0], [1.0]], ["no", "yes"])
        joblib.dump(classifier, tmp_path / "words.joblib")
        model = Pickle().load(tmp_path, "words.joblib", 1)
        assert model.outputs[0] == Tensor("predict", "BYTES", (-1,))
        assert model.predict({"input": np.array([[1.0]])}, ["predict"])["predict"].tolist() == ["yes"]
