"""What is read off an MLmodel file and the requirements beside it, without MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster.domain.errors import NoRuntime
from muster.serving.mlflow_runtime import MLflow
from muster.serving.mlmodel import MlModel
from muster.serving.requirements import packages_of
from muster.serving.runtimes import CannotLoad, Packages, Runtimes, Tensor

SKLEARN = {"pickled_model": "model.skops", "serialization_format": "skops", "code": None}


def function(loader: str = "mlflow.onnx", **more: Any) -> dict[str, Any]:
    return {"python_function": {"loader_module": loader} | more}


def flavor(name: str, **fields: Any) -> dict[str, Any]:
    return function(f"mlflow.{name}") | {name: fields}


def written(folder: Path, flavors: object = None, /, **more: Any) -> dict[str, Path]:
    """A folder with an MLmodel, and files by name (a double underscore stands for the dot)."""
    said = {"flavors": function() | {"onnx": {}} if flavors is None else flavors, "mlflow_version": "3.10.1"}
    said |= more.pop("said", {})
    for name, content in ({"MLmodel": yaml.safe_dump(said)} | more).items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


class TestCode:
    @pytest.mark.parametrize(
        "flavors",
        [
            flavor("onnx", data="model.onnx", providers=["CPUExecutionProvider"]),
            flavor("sklearn", **SKLEARN),
            flavor("xgboost", data="model.ubj", model_class="xgboost.sklearn.XGBClassifier"),
            flavor("xgboost", data="model.xgb"),
            flavor("lightgbm", data="model.lgb", model_class="lightgbm.basic.Booster"),
            flavor("lightgbm", model_class="lightgbm.sklearn.LGBMClassifier", serialization_format="skops"),
            flavor("catboost", data="model.cb", model_type="CatBoostClassifier", save_format="cbm"),
        ],
    )
    def test_what_holds_only_data_runs_none(self, tmp_path: Path, flavors: object) -> None:
        files = written(tmp_path, flavors)
        assert MlModel(files, "MLmodel").code() is None
        assert Runtimes.installed().choose(files, None, allow_pickle=False)[0].name == "mlflow"

    @pytest.mark.parametrize(
        ("flavors", "what"),
        [
            (
                flavor("sklearn", pickled_model="model.pkl", serialization_format="cloudpickle"),
                "model.pkl holds",
            ),
            (flavor("sklearn", pickled_model="model.pkl"), r"holds a pickle \(pickle\)"),
            (
                flavor("sklearn", **SKLEARN, skops_trusted_types=["a.B"]),
                r"says what skops is to trust \(a\.B\)",
            ),
            (function("mlflow.sklearn"), "is loaded by mlflow.sklearn"),
            (function("mlflow.sklearn", data="m.pkl") | {"sklearn": SKLEARN}, r"m\.pkl holds a pickle"),
            (flavor("lightgbm", data="m", model_class="lightgbm.sklearn.LGBMRanker"), "holds a pickle"),
            (flavor("lightgbm", data="m", model_class="os.system"), "makes a os.system"),
            (flavor("xgboost", data="m", model_class="subprocess.Popen"), "makes a subprocess.Popen"),
            (flavor("onnx", data="m", code="code"), "brings code of its own"),
            (flavor("onnx", data="m", providers=[["Tensorrt", {"a": "b"}]]), "gives options"),
            (function("mlflow.onnx", code="code") | {"onnx": {}}, "brings code of its own"),
            (
                function("mlflow.pyfunc.model", python_model="python_model.pkl"),
                r"Python model \(python_model\.pkl\)",
            ),
            (
                function("mlflow.pyfunc.loaders.code_model", model_code_path="/a/b.py"),
                r"Python model \(b\.py\)",
            ),
            (function("mlflow.pytorch"), "is loaded by mlflow.pytorch"),
            (function("mine"), "is loaded by mine"),
        ],
    )
    def test_what_may_run_some_is_refused_with_the_reason(
        self, tmp_path: Path, flavors: object, what: str
    ) -> None:
        files = written(tmp_path, flavors)
        with pytest.raises(NoRuntime, match=rf"{what}.*runs code when it is loaded.*--allow-pickle"):
            Runtimes.installed().choose(files, None, allow_pickle=False)
        assert Runtimes.installed().choose(files, None, allow_pickle=True)[1] == "MLmodel"

    @pytest.mark.parametrize(
        "line",
        ["git+https://example.com/a", "a @ file:///a", "./code/a.whl", "--index-url https://a", "-e ."],
    )
    def test_requirements_that_are_more_than_names_are_refused_too(self, tmp_path: Path, line: str) -> None:
        files = written(tmp_path, requirements__txt=f"mlflow==3.10.1\n{line}\n")
        with pytest.raises(NoRuntime, match=r"requirements hold .*--allow-pickle"):
            Runtimes.installed().choose(files, None, allow_pickle=False)
        assert MLflow().packages(files, "MLmodel") == Packages(("mlflow==3.10.1", line))

    @pytest.mark.parametrize("where", ["/etc/passwd", "../other/model.onnx"])
    def test_a_file_that_lies_elsewhere_is_refused(self, tmp_path: Path, where: str) -> None:
        with pytest.raises(NoRuntime, match="which does not lie beside it"):
            MLflow().main_file(written(tmp_path, function(data=where)))


class TestFinding:
    def test_a_model_in_a_folder_of_its_own_is_found(self, tmp_path: Path) -> None:
        written(tmp_path / "model")
        assert MLflow().main_file({"model/MLmodel": tmp_path / "model" / "MLmodel"}) == "model/MLmodel"

    def test_of_a_model_with_others_within_it_is_the_one_at_the_top(self, tmp_path: Path) -> None:
        written(tmp_path / "parts" / "inner")
        assert MLflow().main_file(written(tmp_path)) == "MLmodel"

    def test_two_beside_each_other_are_refused(self, tmp_path: Path) -> None:
        written(tmp_path / "a")
        written(tmp_path / "b")
        files = {f"{name}/MLmodel": tmp_path / name / "MLmodel" for name in "ab"}
        with pytest.raises(NoRuntime, match=r"several MLflow models \(a/MLmodel, b/MLmodel\)"):
            MLflow().main_file(files)

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            ("flavors: [", "cannot be read as YAML"),
            ("- a", "must hold an object, not a list"),
            ("flavors: {onnx: {}}", "no flavour python_function"),
            ("!!python/object/apply:os.system [true]", "cannot be read as YAML"),
            ("[" * 5000, "cannot be read as YAML"),
            ("a: b\n" * 300_000, "is larger than"),
        ],
    )
    def test_what_is_no_mlmodel_is_refused(self, tmp_path: Path, content: str, why: str) -> None:
        with pytest.raises(NoRuntime, match=why):
            MLflow().main_file(written(tmp_path, MLmodel=content))


class TestSignature:
    def tensors(self, folder: Path, **sides: object) -> tuple[list[Tensor], list[Tensor]]:
        said = {side: json.dumps(specs) for side, specs in sides.items()}
        signature = MlModel(written(folder, said={"signature": said}), "MLmodel").signature()
        return list(signature.inputs), list(signature.outputs)

    def test_columns_are_inputs_with_a_row_each(self, tmp_path: Path) -> None:
        names = {"boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64"}
        specs = [{"type": kind, "name": f"a {kind}", "required": True} for kind in (*names, "string")]
        inputs, _ = self.tensors(tmp_path, inputs=specs)
        assert inputs == [
            Tensor(f"a {kind}", datatype, (-1,)) for kind, datatype in (names | {"string": "BYTES"}).items()
        ]

    def test_tensors_keep_their_shapes(self, tmp_path: Path) -> None:
        spec = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 28, 28]}}
        words = {"type": "tensor", "name": "words", "tensor-spec": {"dtype": "<U5", "shape": [-1]}}
        inputs, outputs = self.tensors(tmp_path, inputs=[spec], outputs=[spec, words])
        assert inputs == [Tensor("input", "FP32", (-1, 28, 28))]
        assert outputs == [Tensor("output_0", "FP32", (-1, 28, 28)), Tensor("words", "BYTES", (-1,))]

    def test_what_is_no_tensor_keeps_its_own_name(self, tmp_path: Path) -> None:
        inputs, _ = self.tensors(
            tmp_path, inputs=[{"type": "array", "items": {"type": "string"}, "name": "tags"}]
        )
        assert inputs == [Tensor("tags", "array", (-1,))]

    def test_a_broken_one_is_an_error_and_none_is_empty(self, tmp_path: Path) -> None:
        assert self.tensors(tmp_path) == ([], [])
        for broken in ("{", "7", '[{"name": "a"}]'):
            files = written(tmp_path, said={"signature": {"inputs": broken}})
            with pytest.raises(CannotLoad, match="the signature in MLmodel cannot be read"):
                MlModel(files, "MLmodel").signature()


class TestRequirements:
    def of(self, folder: Path, **files: str) -> Packages:
        return packages_of(MlModel(written(folder, **files), "MLmodel"))

    def test_they_come_from_python_env_through_the_file_that_it_names(self, tmp_path: Path) -> None:
        packages = self.of(
            tmp_path,
            python_env__yaml="python: 3.10.1\nbuild_dependencies: [pip==23, setuptools]\n"
            "dependencies: [-r requirements.txt]",
            requirements__txt="mlflow==3.10.1 # so\n\n-c constraints.txt\na\\\nb>=1; os_name == 'posix'",
            constraints__txt="numpy<3\n",
            conda__yaml="dependencies: [{pip: [other]}]",
        )
        lines = ("setuptools", "mlflow==3.10.1", "ab>=1; os_name == 'posix'")
        assert packages == Packages(lines, ("numpy<3",), "3.10.1")

    def test_else_from_the_pip_part_of_a_conda_environment(self, tmp_path: Path) -> None:
        conda = "dependencies: [python=3.9.7, pip<=23, {pip: [mlflow-skinny, a>1]}]"
        packages = self.of(tmp_path, conda__yaml=conda, requirements__txt="other")
        assert packages == Packages(("mlflow-skinny", "a>1"), (), "3.9.7")

    def test_mlflow_is_added_as_it_was_where_it_is_missing(self, tmp_path: Path) -> None:
        assert self.of(tmp_path, requirements__txt="a[b]==1.*\n").lines == ("mlflow==3.10.1", "a[b]==1.*")
        assert self.of(tmp_path, requirements__txt="").lines == ("mlflow==3.10.1",)

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (
                "-r elsewhere.txt",
                "elsewhere.txt, which the model's requirements include, is not among its files",
            ),
            ("-r ../../secret.txt", "is not among its files"),
            ("-r requirements.txt", "is included by what it includes"),
        ],
    )
    def test_what_includes_what_is_not_there_is_refused(self, tmp_path: Path, text: str, why: str) -> None:
        with pytest.raises(CannotLoad, match=why):
            self.of(tmp_path, requirements__txt=text)

    def test_names_and_versions_are_plain(self) -> None:
        plain = (
            "a",
            "a.b-c_d",
            "a==1.0",
            "a[x,y]>=1,<2",
            "a (>=1)",
            "a ; python_version < '3'",
            "a~=1.0 ; b == 'c'",
        )
        assert Packages(plain).odd == ()
        assert Packages(("Mlflow_Skinny==1", "a.B[x]", "-e .")).names() == {"mlflow-skinny", "a-b"}
