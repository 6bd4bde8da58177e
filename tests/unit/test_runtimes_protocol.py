"""What a worker answers: Open Inference Protocol V2, and MLflow's `/invocations`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from muster.serving.protocol import Protocol
from muster.serving.runtimes import BadInput, Tensor
from muster.serving.tensors import DATATYPES, Array


class Echo:
    """A model that gives its inputs back, each as an output with `_out` after its name."""

    platform = "echo"

    def __init__(self, *inputs: Tensor) -> None:
        self.inputs = list(inputs)
        self.outputs = [Tensor(f"{tensor.name}_out", tensor.datatype, tensor.shape) for tensor in inputs]

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        first = next(iter(inputs.values()))
        if first.size and first.flat[0] == -1:
            raise BadInput("the model refused the input: no")
        if first.size and first.flat[0] == -2:
            raise KeyError("secret")
        return {name: inputs[name.removesuffix("_out")] for name in outputs}


MATRIX = Tensor("x", "FP32", (-1, 2))


def ask(path: str, body: object = None, *inputs: Tensor, kind: str = "") -> tuple[int, Any]:
    """Status and JSON of one request to a worker that serves version 3 of the model `m/n`."""
    sent: list[Any] = []
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", kind.encode())] if kind else []
    scope = {"raw_path": path.encode(), "method": "GET" if body is None else "POST", "headers": headers}
    asyncio.run(Protocol(Echo(*(inputs or [MATRIX])), "echo", "m n", "m_v3", 3, 30.0)(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def tensor(
    data: object, shape: object = None, datatype: object = "FP32", name: object = "x"
) -> dict[str, Any]:
    return {"name": name, "shape": shape or [1, 2], "datatype": datatype, "data": data}


def infer(*tensors: object, inputs: Sequence[Tensor] = (), **more: object) -> tuple[int, Any]:
    return ask("/v2/models/m_v3/infer", {"inputs": list(tensors), **more}, *inputs)


class TestTelling:
    def test_metadata_under_name_and_id_and_number(self) -> None:
        for path in ("/v2/models/m%20n", "/v2/models/m_v3", "/v2/models/m_v3/versions/3"):
            status, metadata = ask(path)
            assert status == 200
            assert metadata["name"] == "m n"
            assert metadata["versions"] == ["3"]
            assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]

    def test_health(self) -> None:
        for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/m_v3/ready", "/ping"):
            assert ask(path)[0] == 200

    def test_what_is_not_there_is_not_found(self) -> None:
        assert ask("/v2/models/other") == (404, {"error": "other is not served here; m n is"})
        assert ask("/v2/models/m_v3/versions/2") == (404, {"error": "version 2 is not served here; 3 is"})
        assert ask("/nothing") == (404, {"error": "there is no /nothing here"})
        assert ask("/invocations")[0] == 405


class TestInferring:
    @pytest.mark.parametrize("datatype", sorted(DATATYPES))
    def test_every_datatype_comes_back_as_it_went(self, datatype: str) -> None:
        data = {"BOOL": [True, False], "BYTES": ["a", "ü"]}.get(datatype, [3, 4])
        status, body = infer(tensor(data, datatype=datatype), inputs=[Tensor("x", datatype, (-1, 2))], id="7")
        assert status == 200, body
        assert body == {
            "id": "7",
            "model_name": "m n",
            "model_version": "3",
            "outputs": [{"name": "x_out", "datatype": datatype, "shape": [1, 2], "data": data}],
        }

    def test_nested_data_and_chosen_outputs(self) -> None:
        two = [MATRIX, Tensor("y", "FP32", (-1,))]
        status, body = infer(
            tensor([[1, 2], [3, 4]], [2, 2]),
            tensor([5], [1], name="y"),
            inputs=two,
            outputs=[{"name": "y_out"}],
        )
        assert status == 200, body
        assert [output["data"] for output in body["outputs"]] == [[5.0]]

    @pytest.mark.parametrize(
        ("sent", "error"),
        [
            (b"{", "body: must be JSON"),
            (b"[]", "body: must be an object with 'inputs', not []"),
            ({"inputs": 1}, "inputs: must be a list of tensors, not 1"),
            ([], "inputs: must hold every input of the model; missing: x, not []"),
            ([3], "inputs[0]: must be an object with name, shape, datatype and data, not 3"),
            ([tensor([1, 2], name="z")], "inputs[0].name: must be an input of the model: x, not 'z'"),
            ([tensor([1, 2])] * 2, "inputs[1].name: must not be given twice, not 'x'"),
            ([tensor([1, 2], datatype="float")], "inputs[0].datatype: must be one of BOOL, "),
            ([tensor([1, 2], datatype="FP64")], "inputs[0].datatype: must be FP32 for input 'x', not 'FP64'"),
            ([tensor([1, 2], [2])], "inputs[0].shape: must be [*, 2] for input 'x', not [2]"),
            ([tensor([1, 2], [-1, 2])], "inputs[0].shape: must be a list of whole numbers, not [-1, 2]"),
            ([tensor("12")], "inputs[0].data: must be a list of values for input 'x', not '12'"),
            ([tensor([1])], "inputs[0].data: must hold 2 values, the product of its shape, not 1"),
            ([tensor([1, "2"])], "inputs[0].data[1]: must be a number (FP32), not '2'"),
            ([tensor([1, True])], "inputs[0].data[1]: must be a number (FP32), not True"),
            ([tensor([1, 1e300])], "inputs[0].data[1]: must be between "),
            ([tensor([1, 10**400])], "inputs[0].data[1]: must be between "),
            ([tensor([[1]])], "inputs[0].data[0]: must be a list of 2, as the shape says, not [1]"),
            ({"inputs": [tensor([1, 2])], "outputs": [{"name": "z"}]}, "outputs[0].name: must be an output"),
            ({"inputs": [tensor([1, 2])], "id": 5}, "id: must be a string, not 5"),
            ([tensor([-1, 2])], "the model refused the input: no"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named_with_value_and_rule(self, sent: object, error: str) -> None:
        status, body = ask("/v2/models/m_v3/infer", {"inputs": sent} if isinstance(sent, list) else sent)
        assert status == 400
        assert body["error"].startswith(error), body["error"]

    def test_whole_numbers_have_their_range(self) -> None:
        status, body = infer(tensor([1, 200], datatype="INT8"), inputs=[Tensor("x", "INT8", (-1, 2))])
        assert (status, body["error"]) == (
            400,
            "inputs[0].data[1]: must be between -128 and 127 (INT8), not 200",
        )

    def test_a_failure_of_the_model_tells_nothing_of_its_inside(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert infer(tensor([-2, 2])) == (500, {"error": "the model failed: KeyError"})
        assert "KeyError: 'secret'" in capfd.readouterr().err


class TestInvoking:
    ROWS = ((1.0, 2.0), (3.0, 4.0))

    @pytest.mark.parametrize(
        "sent",
        [
            {"instances": ROWS},
            {"instances": [{"x": row} for row in ROWS]},
            {"inputs": ROWS},
            {"inputs": {"x": ROWS}},
            {"dataframe_split": {"columns": ["a", "b"], "data": ROWS}},
            {"dataframe_split": {"index": [0, 1], "data": ROWS}},
            {"dataframe_records": [dict(zip("ab", row, strict=True)) for row in ROWS]},
        ],
    )
    def test_every_form_of_input_gives_the_same(self, sent: object) -> None:
        assert ask("/invocations", sent) == (200, {"predictions": [[1.0, 2.0], [3.0, 4.0]]})

    @pytest.mark.parametrize(
        "sent",
        [
            {"inputs": {"age": [30, 40.0], "name": ["a", "b"]}},
            {"instances": [{"age": 30, "name": "a"}, {"age": 40, "name": "b"}]},
            {"dataframe_split": {"columns": ["name", "age"], "data": [["a", 30], ["b", 40]]}},
            {"dataframe_records": [{"age": 30, "name": "a"}, {"name": "b", "age": 40}]},
        ],
    )
    def test_several_inputs_are_given_by_name(self, sent: object) -> None:
        inputs = (Tensor("age", "INT64", (-1, 1)), Tensor("name", "BYTES", (-1,)))
        assert ask("/invocations", sent, *inputs) == (
            200,
            {"predictions": {"age_out": [[30], [40]], "name_out": ["a", "b"]}},
        )

    def test_columns_go_where_the_model_learned_them(self) -> None:
        learned = Tensor("x", "FP32", (-1, 2), columns=("b", "a"))
        frame = {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}
        assert ask("/invocations", frame, learned)[1] == {"predictions": [[2.0, 1.0]]}

    def test_null_is_no_number(self) -> None:
        assert ask("/invocations", {"instances": [[None, 1]]})[1] == {"predictions": [[None, 1.0]]}

    @pytest.mark.parametrize(
        ("sent", "error"),
        [
            ({}, "body: must be an object with exactly one of dataframe_split, "),
            ({"inputs": [], "instances": []}, "body: must be an object with exactly one of "),
            ({"instances": 5}, "instances: must be a list, an element a row, not 5"),
            ({"instances": [[1, 2, 3]]}, "instances of shape: must have the shape [*, 2], not [1, 3]"),
            ({"instances": [[1, 2], [3]]}, "instances[1]: must be a list of 2, as the shape says, not [3]"),
            ({"instances": [[1, "2"]]}, "instances[1]: must be a number (FP32), not '2'"),
            ({"instances": [{"y": 1}]}, "instances[0]: must be an object with x"),
            ({"inputs": {"y": [1]}}, "inputs: must hold exactly the model's inputs: x, not ['y']"),
            ({"inputs": 3}, "inputs: must be a list, not 3"),
            ({"dataframe_split": []}, "dataframe_split: must be an object with 'columns' and 'data'"),
            ({"dataframe_split": {"columns": 1, "data": []}}, "dataframe_split.columns: must be a list"),
            ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "dataframe_split.data[0]: must be a"),
            ({"dataframe_records": [1]}, "dataframe_records: must be a list of objects, column → value"),
            ({"dataframe_records": [{"a": 1, "b": 2}, {"a": 1}]}, "dataframe_records[1]: must have"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, sent: object, error: str) -> None:
        status, body = ask("/invocations", sent)
        assert status == 400
        assert body["error"].startswith(error), body["error"]

    def test_several_inputs_need_their_names(self) -> None:
        inputs = (Tensor("a", "FP32", (-1, 1)), Tensor("b", "FP32", (-1, 1)))
        frame = {"dataframe_split": {"columns": ["a", "c"], "data": [[1, 2]]}}
        assert ask("/invocations", {"inputs": [[1]]}, *inputs)[0] == 400
        assert ask("/invocations", frame, *inputs)[0] == 400


def test_an_array_of_no_rows_is_an_answer() -> None:
    empty = tensor([], [0, 2])
    assert infer(empty)[1]["outputs"][0]["data"] == []


def test_what_is_not_json_is_refused_by_its_content_type() -> None:
    status, said = ask("/invocations", b"1,2", kind="text/csv")
    assert status == 415
    assert said == {"error": "the body must be JSON (Content-Type: application/json), not text/csv"}


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/x-www-form-urlencoded"])
def test_json_is_taken_as_curl_sends_it(kind: str) -> None:
    assert ask("/invocations", {"inputs": [[1.0, 2.0]]}, kind=kind)[0] == 200


def test_json_without_end_is_refused() -> None:
    status, said = ask("/invocations", b"[" * 100_000)
    assert status == 400
    assert "must be JSON of a depth that can be read" in said["error"]


@pytest.mark.parametrize(
    ("more", "field"), [({"params": {"temperature": 1}}, "params"), ({"rows": 1}, "body")]
)
def test_an_invocation_with_what_is_not_taken_is_refused(more: dict[str, Any], field: str) -> None:
    status, said = ask("/invocations", {"inputs": [[1.0, 2.0]], **more})
    assert status == 400
    assert said["error"].startswith(f"{field}: must ")


def test_an_invocation_with_empty_params_is_taken() -> None:
    assert ask("/invocations", {"inputs": [[1.0, 2.0]], "params": {}})[0] == 200
