"""The page of the MLflow registry lists every call, stage and error that there is."""

from __future__ import annotations

from muster.dialects import mlflow, mlflow_errors, mlflow_shapes
from tests.markdown import DOCS, code, rows

PAGE = DOCS / "reference" / "mlflow.md"


def test_every_call_is_listed() -> None:
    listed = set()
    for row in rows(PAGE):
        words = code(row[0])
        for word in words:
            part = words[0].rpartition("/")[0]
            listed.add(word if "/" in word else f"{part}/{word}")
    assert {path for _, path in mlflow.ROUTES} <= listed


def test_every_stage_and_error_is_listed() -> None:
    text = PAGE.read_text()
    assert all(f"`{word}`" in text for pair in mlflow_shapes.STAGES.items() for word in pair)
    listed = {code(row[0])[0]: row[1] for row in rows(PAGE) if row[0].isupper() and code(row[0])}
    for status, word in mlflow_errors.MLFLOW.values():
        if status != 500:
            assert listed[word] == str(status)
