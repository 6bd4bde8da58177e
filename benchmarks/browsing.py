"""The web pages in a large registry: how long the server takes for each, and the bytes of a first visit."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urljoin

from benchmarks import load, populate, servers
from benchmarks.figures import Figure

ROUNDS = 5
SECONDS = 2.0
MODELS = 10_000
_LINKED = re.compile(r'<(?:link|script|img)\b[^>]*?\b(?:href|src)="([^"]+)"')


def figures(folder: Path, many: int) -> list[Figure]:
    """Each page, asked for by one client, at 10,000 models and `many` changes."""
    home = folder / "pages"
    models = min(MODELS, many // 10)
    populate.changes(home, many, models)
    found = []
    with servers.muster(home) as muster:
        for name, paths in _pages(muster.url, models).items():
            requests = [load.request("GET", path) for path in paths]
            runs = [load.run(muster.port, requests, clients=1, seconds=SECONDS) for _ in range(ROUNDS)]
            assert not any(run.failed for run in runs), name
            title = f"{name}, {models:,} models, {many:,} changes, p50"
            p99 = [f"p99 {run.p99_ms:.1f} ms" for run in runs]
            found.append(Figure(title, "at most", 30, "ms", [run.p50_ms for run in runs], p99))
            sizes = [_first_visit(urljoin(muster.url, path)) / 1024 for path in paths[:3]]
            found.append(Figure(f"{name}, first visit in all", "at most", 100, "KiB", sizes, []))
    return found


def _pages(url: str, models: int) -> Mapping[str, list[str]]:
    with urllib.request.urlopen(f"{url}/api/v1/changes?limit=200") as answer:
        changes = json.load(answer)["items"]
    some = [f"model-{n * 37 % models}" for n in range(100)]
    moments = [quote(change["time"]) for change in changes[::10]]
    return {
        "Overview": ["/"],
        "Overview, searched": [f"/?q={name}" for name in some],
        "Overview, as of then": [f"/?at={moment}" for moment in moments],
        "A model": [f"/m/{name}" for name in some],
        "A version": [f"/m/{name}/v2" for name in some],
        "History": ["/history"],
        "A change": [f"/history/{change['commit']}" for change in changes],
        "Environments": ["/environments"],
    }


def _first_visit(url: str) -> int:
    """Bytes of a page and of all that it has a browser fetch."""
    page = _fetched(url)
    linked = {urljoin(url, found) for found in _LINKED.findall(page.decode())}
    return len(page) + sum(len(_fetched(address)) for address in linked)


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        content: bytes = answer.read()
        return content
