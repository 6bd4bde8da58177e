"""What tests of the pages that change something do again and again."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from muster.service.values import ChangeFilter
from tests.live import Live
from tests.serving import iris_onnx

BROWSER = {"accept": "text/html", "accept-encoding": "gzip"}


class Waiting:
    """Takes a number; the worker that loads it waits until the file `gate` is there."""

    def __init__(self, gate: Path) -> None:
        self._source = (
            f"[None for _ in iter(lambda: __import__('os').path.exists({str(gate)!r}) "
            "or __import__('time').sleep(0.02), True)] and None or "
            "type('Waited', (), {'n_features_in_': 1, 'predict': lambda self, rows: rows[:, 0]})()"
        )

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return eval, (self._source,)


def waiting_pickle(gate: Path) -> bytes:
    """A model that is ready once the file `gate` is there."""
    return pickle.dumps(Waiting(gate))


def two_versions(server: Live, model: str) -> None:
    """v1 and v2 of a classifier of flowers, with metrics and training data; v1 is in production."""
    for label, fit, accuracy, rows in (("v1", 1.0, 0.95, 100), ("v2", 0.1, 0.97, 150)):
        body = {
            "version": label,
            "metrics": {"accuracy": accuracy},
            "training_data": {"name": "flowers", "rows": rows},
            "pending": True,
        }
        versions = f"/api/v1/models/{model}/versions"
        server.send("POST", versions, json=body)
        server.send("PUT", f"{versions}/{label}/files/model.onnx", content=iris_onnx(fit))
        server.send("POST", f"{versions}/{label}/finalize")
    put(server, model, "v1")


def put(server: Live, model: str, version: str, environment: str = "production") -> None:
    """Have it deployed."""
    body = {"version": version}
    server.send("PUT", f"/api/v1/deployments/{environment}/{model}?wait=true", json=body)


def deployed(server: Live, model: str, environment: str = "production") -> dict[str, Any]:
    """What is declared there, and how it stands."""
    record: dict[str, Any] = server.send("GET", f"/api/v1/deployments/{environment}/{model}").json()
    return record


def steps(page: Page) -> list[str]:
    """How far an operation has come, step by step."""
    return [str(each.get_attribute("data-s")) for each in page.get_by_label("Progress").locator("li").all()]


def ends(page: Page, word: str) -> None:
    """Wait until the operation on the page has come to its end."""
    expect(page.locator("#going")).to_have_text(word, timeout=60_000)


@contextmanager
def visitor(server: Live) -> Iterator[httpx.Client]:
    """A client that keeps cookies, as a browser does."""
    with httpx.Client(base_url=server.url, headers=BROWSER, timeout=60) as client:
        yield client


def token(page: httpx.Response) -> str:
    """What the forms of a page hold."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def told(server: Live, model: str | None = None) -> list[str]:
    """The commits that people made, of one model or of all: not what was observed, which comes by itself."""
    found = server.home.registry.index.changes(ChangeFilter(model=model), limit=1000)
    return [each.commit for each in found if each.entry.kind != "observe"]
