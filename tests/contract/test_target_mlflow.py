"""Models that MLflow wrote, behind the gateway: what it answers is what MLflow itself predicts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muster.domain.errors import NoRuntime
from tests.mlflow_models import (
    COLUMNS,
    FLOWERS,
    echo_folder,
    files_of,
    onnx_folder,
    predicted,
    sklearn_folder,
)
from tests.serving import Reply, Site, wait_for

SOME = FLOWERS.iloc[[0, 60, 140]]
SPLIT = {"columns": COLUMNS, "data": SOME.to_numpy().tolist()}


class Served:
    """A site with one model of each kind, in the server's environment, and the folders they came from."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folders = {
            "table": sklearn_folder(folder / "table"),
            "tensor": onnx_folder(folder / "tensor"),
            "echo": echo_folder(folder / "echo", folder / "echo.py"),
        }
        for model, where in self.folders.items():
            self.site.serve(
                self.site.instance(files=files_of(where), model=model, allow_pickle=model == "echo")
            )

    def ask(self, model: str, body: object, kind: str = "application/json") -> Reply:
        connection = self.site.gateway.connect()
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        connection.request("POST", f"/serve/production/{model}/invocations", raw, {"Content-Type": kind})
        reply = Reply(connection.getresponse())
        connection.close()
        return reply


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("mlflow")
    site = Site(folder / "site")
    try:
        yield Served(site, folder)
    finally:
        site.close()


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": SPLIT | {"index": [7, 8, 9]}},
        {"dataframe_records": SOME.to_dict(orient="records")},
        {"instances": SOME.to_dict(orient="records")},
        {"inputs": SOME.to_dict(orient="list")},
    ],
)
def test_every_form_gives_what_mlflow_predicts_of_a_table(served: Served, body: dict[str, Any]) -> None:
    reply = served.ask("table", body)
    assert reply.status == 200, reply.json
    assert reply.json == {"predictions": predicted(served.folders["table"], SOME).tolist()}


def test_csv_gives_what_mlflow_predicts_of_a_table(served: Served) -> None:
    reply = served.ask("table", SOME.to_csv(index=False), "text/csv; charset=utf-8")
    assert reply.status == 200, reply.json
    assert reply.json == {"predictions": predicted(served.folders["table"], SOME).tolist()}


@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_a_tensor_gives_what_mlflow_predicts(served: Served, form: str) -> None:
    rows = SOME.to_numpy().astype(np.float32)
    given = {"X": rows.tolist()} if form == "inputs" else [{"X": row} for row in rows.tolist()]
    reply = served.ask("tensor", {form: given})
    assert reply.status == 200, reply.json
    expected = predicted(served.folders["tensor"], {"X": rows})
    assert reply.json["predictions"]["label"] == expected["label"].tolist()
    assert reply.json["predictions"]["probabilities"] == pytest.approx(expected["probabilities"])


def test_parameters_reach_the_model_and_are_checked(served: Served) -> None:
    assert served.ask("echo", {"inputs": [1, 2]}).json == {"predictions": {"rows": 2, "times": 2}}
    reply = served.ask("echo", {"inputs": [1], "params": {"times": 5}})
    assert reply.json == {"predictions": {"rows": 1, "times": 5}}
    refused = served.ask("echo", {"inputs": [1], "params": {"times": "often"}})
    assert (refused.status, refused.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ("{", "application/json", "BAD_REQUEST"),
        ([1], "application/json", "BAD_REQUEST"),
        ({}, "application/json", "BAD_REQUEST"),
        ({"inputs": [1], "instances": [1]}, "application/json", "BAD_REQUEST"),
        ({"dataframe_split": {"columns": ["a"]}}, "application/json", "BAD_REQUEST"),
        ({"dataframe_split": SPLIT | {"columns": ["a"]}}, "application/json", "BAD_REQUEST"),
        ({"dataframe_records": [{"a": 1}]}, "application/json", "INVALID_PARAMETER_VALUE"),
        ({"dataframe_records": 7}, "application/json", "BAD_REQUEST"),
        ({"instances": {"a": [[1], 2]}}, "application/json", None),
        ({"inputs": {column: ["much"] for column in COLUMNS}}, "application/json", "BAD_REQUEST"),
        ('a,b\n"', "text/csv", "BAD_REQUEST"),
    ],
)
def test_bad_input_is_a_400_in_mlflows_shape(
    served: Served, body: object, kind: str, code: str | None
) -> None:
    reply = served.ask("table", body, kind)
    assert reply.status == 400, reply.json
    assert set(reply.json) == {"error_code", "message"}
    assert code in (None, reply.json["error_code"])
    assert "Traceback" not in reply.json["message"]


def test_a_kind_of_body_that_mlflow_does_not_take_is_a_415(served: Served) -> None:
    reply = served.ask("table", "<a/>", "text/xml")
    assert (reply.status, reply.json["error_code"]) == (415, "BAD_REQUEST")


def test_a_model_that_fails_is_a_500_without_its_traceback(served: Served) -> None:
    reply = served.ask("echo", {"inputs": [1], "params": {"fail": True}})
    assert reply.status == 500
    assert reply.json == {"error_code": "INTERNAL_ERROR", "message": "the model failed: KeyError"}
    # What a worker prints is read beside its answers.
    wait_for(
        lambda: served.site.state(1, "echo"), lambda s: s is not None and "KeyError: 'secret'" in s.output
    )


def test_a_number_that_json_does_not_have_is_null(served: Served) -> None:
    assert served.ask("echo", {"inputs": [1], "params": {"nan": True}}).json == {"predictions": [None]}


def test_a_table_takes_the_open_inference_protocol_a_tensor_a_column(served: Served) -> None:
    there = served.site.ask("v2/models/table", model="table").json
    assert there["platform"] == "mlflow"
    assert there["inputs"] == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in COLUMNS]
    assert there["outputs"] == [{"name": "output", "datatype": "INT64", "shape": [-1]}]
    inputs = [
        {"name": name, "datatype": "FP64", "shape": [3], "data": SOME[name].tolist()} for name in COLUMNS
    ]
    reply = served.site.ask("infer", {"inputs": inputs}, model="table")
    expected = predicted(served.folders["table"], SOME).tolist()
    assert reply.json["outputs"] == [{"name": "output", "datatype": "INT64", "shape": [3], "data": expected}]
    inputs[0] |= {"shape": [1], "data": [5.0]}
    uneven = served.site.ask("infer", {"inputs": inputs}, model="table")
    assert uneven.status == 400
    assert "must all have the same number of rows" in uneven.json["error"]


def test_a_tensor_takes_the_open_inference_protocol(served: Served) -> None:
    data = SOME.to_numpy().ravel().tolist()
    asked = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [3, 4], "data": data}]}
    reply = served.site.ask("infer", asked | {"outputs": [{"name": "label"}]}, model="tensor")
    assert reply.status == 200, reply.json
    assert reply.json["outputs"] == [{"name": "label", "datatype": "INT64", "shape": [3], "data": [0, 1, 2]}]


def test_a_model_without_a_signature_says_what_to_ask_instead(served: Served) -> None:
    reply = served.site.ask("infer", {"inputs": []}, model="echo")
    assert reply.status == 400
    assert "use /invocations" in reply.json["error"]


def test_it_is_observed_with_the_signature_that_was_logged(served: Served) -> None:
    state = served.site.state(1, "table")
    assert state is not None
    assert state.runtime == "mlflow"
    assert state.signature is not None
    assert state.signature["inputs"] == [{"name": name, "dtype": "FP64", "shape": [None]} for name in COLUMNS]


def test_a_pickle_is_refused_saying_what_to_do(served: Served, tmp_path: Path) -> None:
    files = files_of(sklearn_folder(tmp_path / "pickled", "cloudpickle"))
    site = served.site
    with pytest.raises(NoRuntime, match=r"model\.pkl holds a pickle \(cloudpickle\).*skops.*--allow-pickle"):
        site.apply(1, site.instance(files=files, model="pickled"), model="pickled")
    state = site.serve(site.instance(files=files, model="pickled", allow_pickle=True))
    assert state.runtime == "mlflow"
    reply = served.ask("pickled", {"dataframe_split": SPLIT})
    assert reply.json == {"predictions": predicted(served.folders["table"], SOME).tolist()}


def test_code_in_the_folder_is_refused_saying_what_to_do(served: Served) -> None:
    files = files_of(served.folders["echo"])
    with pytest.raises(NoRuntime, match=r"is a Python model .*runs code when it is loaded.*--allow-pickle"):
        served.site.apply(1, served.site.instance(files=files, model="code"), model="code")


def test_another_python_is_told_and_tried_all_the_same(served: Served) -> None:
    files = files_of(served.folders["table"])
    files["python_env.yaml"] = b"python: 3.9.1\ndependencies: [-r requirements.txt]\n"
    told: list[str] = []
    instance = served.site.instance(files=files, model="older")
    served.site.target.prepare(instance, told.append)
    assert len(told) == 1
    assert "logged with Python 3.9.1 and runs with 3." in told[0]
    assert told[0] in served.site.serve(instance).output


def test_a_runtime_that_is_named_serves_the_graph_within(served: Served) -> None:
    files = files_of(served.folders["tensor"])
    state = served.site.serve(served.site.instance(files=files, model="graph", runtime="onnx"))
    assert state.runtime == "onnx"
    assert served.ask("graph", {"inputs": [SOME.to_numpy().tolist()[0]]}).json["predictions"]["label"] == [0]
