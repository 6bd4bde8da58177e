"""What a team writes in an afternoon: a dict of records behind Flask. The measure for reads."""

import os
from pathlib import Path

from flask import Flask, Response

RECORD = Path(os.environ["RECORD"]).read_bytes()
RECORDS = {"model_v1": RECORD}

app = Flask(__name__)


@app.get("/models/<model_id>")
def record(model_id: str) -> Response:
    """The record's bytes, encoded already, as Muster's are."""
    found = RECORDS.get(model_id)
    if found is None:
        return Response('{"error": "Model not found"}', 404, mimetype="application/json")
    return Response(found, mimetype="application/json")


@app.get("/healthz")
def healthz() -> Response:
    return Response("ok")
