"""A registry with something of everything: models with and without owners, with and without files,
what runs, what did not start, what drifted, what nobody declared, what has not reported."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from muster.demo.models import Digits, broken
from tests.live import Live

CARD = """# Reading postcodes

**For:** sorting at depots. Answers below 0.80 go to a person.

**Not for:** signatures, customs forms, or any reading that is not a postcode.

| site | share of labels |
| --- | --- |
| Leeds | 0.41 |
| Ghent | 0.59 |
"""
# Each model with its owner and its versions: label, where it is deployed, and who did it.
BOARD: list[tuple[str, str | None, list[tuple[str, str | None, str]]]] = [
    ("address_match", "geo", [("v5.0", "production", "ci-bot"), ("v5.1", "staging", "ml-3")]),
    ("claims_fraud", "claims", [("v3.2", "production", "ml-7"), ("v3.3", "staging", "ci-bot")]),
    ("customs_code", "trade", [("v2.0", "production", "ops-4"), ("v2.1", "development", "ops-4")]),
    ("damage_photo", "vision", [("v7", "production", "ml-7"), ("v8", "staging", "ci-bot")]),
    ("depot_vision", "vision", [("v1.9", "production", "depot-agent"), ("v2.0", None, "ml-3")]),
    ("invoice_fields", "finance-ml", [("v4.2", "production", "ml-7"), ("v4.3", "staging", "ci-bot")]),
    ("pallet_count", None, [("v1", "production", "ops-4")]),
    ("parcel_eta", "routing", [("v14", "production", "ops-4"), ("v16", "development", "ops-4")]),
    ("reply_draft", "support", [("v9", "production", "nlp-2"), ("v10", "staging", "nlp-2")]),
    ("return_reason", "support", [("v2.3", "production", "nlp-2")]),
    ("route_cost", "routing", [("v31", "production", "ml-3"), ("v32", "development", "ci-bot")]),
    ("volume_estimate", "planning", [("v0.3", "development", "ml-3")]),
]


@cache
def digits() -> tuple[bytes, bytes, bytes, str]:
    """ONNX classifiers of digits: a weak one, a better one, one cut short; and a six as text."""
    with tempfile.TemporaryDirectory() as folder:
        data = Digits()
        weak, better = data.weak(Path(folder) / "v1"), data.better(Path(folder) / "v2")
        cut = broken(better, Path(folder) / "v3")
        read = [(each.folder / "model.onnx").read_bytes() for each in (weak, better, cut)]
    six = next(digit for digit in data.held_out if digit.shows == 6)
    rows = [six.pixels[at : at + 8] for at in range(0, 64, 8)]
    return read[0], read[1], read[2], "\n".join(" ".join(f"{v:g}" for v in row) for row in rows)


def fill(server: Live, later: Callable[[float], None] = lambda _: None) -> None:
    """Make it so. `later` is told how many days pass before what comes next."""
    api = "/api/v1/models"

    def send(method: str, path: str, actor: str, **more: Any) -> Any:
        return server.send(method, path, headers={"x-muster-actor": actor}, **more)

    def put(model: str, version: str, environment: str, actor: str, reason: str = "") -> None:
        body = {"version": version, "reason": reason}
        send("PUT", f"/api/v1/deployments/{environment}/{model}?wait=true", actor, json=body)

    for name, owner, versions in BOARD:
        send("POST", api, "ml-7", json={"name": name, "owner": owner, "description": f"{name} of the depots"})
        for label, environment, actor in versions:
            later(2.5)
            body: dict[str, Any] = {
                "version": label,
                "description": "Nightly retrain",
                "metrics": {"auc": 0.9},
            }
            send("POST", f"{api}/{name}/versions", actor, json=body)
            if environment is not None:
                put(name, label, environment, actor, "Better on the held-out weeks")
    weak, better, cut, _ = digits()
    what = {
        "owner": "vision",
        "description": "Reads the handwritten digits of a postcode from the photo of a parcel label.",
        "tags": {"tier": "2", "pii": "none", "site": "leeds"},
        "card": CARD,
    }
    send("POST", api, "ml-7", json={"name": "mobilenet_small", "owner": "vision"})
    send(
        "POST", f"{api}/mobilenet_small/versions", "ml-7", json={"description": "base", "training_data": "x"}
    )
    send("POST", api, "ml-7", json={"name": "label_digits", **what})
    scores = [
        ("v0.9", 0.923),
        ("v1.0", 0.941),
        ("v1.1", 0.952),
        ("v1.2", 0.968),
        ("v1.3", 0.977),
        ("v1.4", 0.979),
    ]
    for at, (label, accuracy) in enumerate(scores):
        later(3)
        body = {
            "version": label,
            "description": "Training on thermal-printer labels; looped and open sixes balanced.",
            "training_data": {"name": "labels-2026q3", "rows": 61340, "sha256": "5b1f0c77" * 8},
            "source": {
                "repository": "parcels/label-digits",
                "commit": "8c14e2f" * 5 + "8c14e",
                "dirty": False,
            },
            "bases": [{"ref": "mobilenet_small/1", "relation": "finetuned"}],
            "metrics": {"accuracy": accuracy, "f1_macro": round(accuracy - 0.002, 3), "latency_p95_ms": 3.1},
            "params": {"trees": 80, "seed": 7},
            "tags": {"tier": "2"},
            "pending": True,
        }
        send("POST", f"{api}/label_digits/versions", "ci-bot", json=body)
        content = {0: weak, 5: cut}.get(at, better)
        files = {"model.onnx": content, "labels.json": b'["0", "1"]\n'}
        for path, data in files.items() if at != 5 else [("model.onnx", content)]:
            send("PUT", f"{api}/label_digits/versions/{label}/files/{path}", "ci-bot", content=data)
        send("POST", f"{api}/label_digits/versions/{label}/finalize", "ci-bot")
    later(1)
    put("label_digits", "v1.1", "production", "ml-7", "First of the forests")
    later(9)
    put("label_digits", "v1.2", "production", "ml-7", "Error on sixes is halved")
    later(3)
    put("label_digits", "v1.3", "staging", "ci-bot", "Soak before production")
    for alias, version in (("champion", "v1.2"), ("challenger", "v1.3")):
        send("PUT", f"{api}/label_digits/aliases/{alias}", "ml-7", json={"version": version})
    change = {"description": "Second training on thermal-printer labels.", "reason": "Say what changed"}
    send("PATCH", f"{api}/label_digits/versions/v1.3", "ml-7", json=change)
    ocr = {
        "version": "v4",
        "description": "d",
        "bases": [{"ref": "label_digits/v1.2", "relation": "derived"}],
    }
    send("POST", f"{api}/label_ocr/versions", "ml-3", json=ocr)
    later(0.1)
    failed = server.http.put(
        "/api/v1/deployments/development/label_digits?wait=true",
        json={"version": "v1.4", "reason": "Nightly"},
        headers={"x-muster-actor": "ci-bot"},
    )
    assert failed.status_code == 422, failed.text
    later(365)  # to the present: what reports is believed for a minute only
    outside = {"version": "v5.1", "instance": "geo-agent"}
    send("PUT", "/api/v1/deployments/production/address_match/observed", "geo-agent", json=outside)
    send("PUT", "/api/v1/deployments/staging/return_reason/observed", "nlp-2", json={"version": "v2.3"})
    for name, _, versions in BOARD[1:9]:
        for label, environment, actor in versions:
            if environment == "production" and name != "depot_vision":
                there = f"/api/v1/deployments/{environment}/{name}/observed"
                send("PUT", there, actor, json={"version": label})
