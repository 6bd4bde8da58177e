"""All that a registry answers and all that it keeps, to compare two of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from muster.bootstrap import open_home
from muster.bootstrap.server import application
from muster.cli.inprocess import URL, InProcess
from muster.client import Client
from muster.settings import load
from tests.servers import SMALL
from tests.serving import iris_onnx

_PAGE = {"limit": 1000}
_ENOUGH = 12

T = TypeVar("T")


def a_registry(home: Path, source: Path) -> None:
    """Versions of a model with files, which are made in `source`, one without, a rollback, a deletion."""
    source.mkdir()
    with (
        open_home(load({"home": str(home)}, environment=SMALL)) as opened,
        Client(URL, "ada", transport=InProcess(application(opened))) as client,
    ):
        for at in (1, 2, 3):
            (source / "model.onnx").write_bytes(iris_onnx(1 / at))
            client.register("flowers", f"v{at}", files=source, metrics={"accuracy": 0.9 + at / 100})
        client.register("no files ünïcode", "v1", description="Nothing")
        client.deploy("flowers_v1", reason="First")
        client.deploy("flowers_v2", reason="Better")
        client.rollback("flowers_v2", reason="Worse")
        client.delete_version("flowers_v3", reason="Never used")


def answers(home: Path) -> dict[str, Any]:
    """Every record, list and history, as they are and as they were at earlier changes, by what was asked."""
    with (
        open_home(load({"home": str(home)}, environment=SMALL)) as opened,
        httpx.Client(base_url=URL, transport=InProcess(application(opened))) as client,
    ):
        return dict(_asked(client))


def _asked(client: httpx.Client) -> Iterator[tuple[str, Any]]:
    def asked(path: str, **more: Any) -> tuple[str, Any]:
        answer = client.get(path, params=more)
        assert answer.status_code in (200, 404), answer.text
        return str(answer.request.url), answer.status_code == 200 and (
            answer.headers.get("etag"),
            answer.json(),
        )

    def listed(path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get(path, params=_PAGE).json()["items"]
        return found

    models = [f"/api/v1/models/{quote(model['name'])}" for model in listed("/api/v1/models")]
    versions = {f"{m}/versions/{v['number']}": v for m in models for v in listed(f"{m}/versions")}
    past = ["/api/v1/deployments", *_some(models), *_some(list(versions))]
    for path in ("/models", "/api/v1/models", "/api/v1/versions", "/api/v1/environments", "/api/v1/changes"):
        yield asked(path, **_PAGE)
    for path in ("/api/v1/deployments", *models, *versions):
        yield asked(path)
    for change in _some(listed("/api/v1/changes")):
        yield asked(f"/api/v1/changes/{change['commit']}")
        for path in past:
            yield asked(path, at=change["commit"])
            yield asked(path, at=change["time"])
    for where, version in versions.items():
        yield asked("/api/v1/history", model_id=version["model_id"])
        for file in listed(f"{where}/files"):
            content = client.get(f"{where}/files/{quote(file['path'])}").content
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            yield f"{where}/files/{file['path']}", content


def _some(found: list[T]) -> list[T]:
    """All of a few; of many some from everywhere, the first among them."""
    return found[:: max(1, len(found) // _ENOUGH)]


def files(home: Path) -> dict[str, bytes]:
    """Every file that a version may have, by its sha256."""
    objects = home / "registry.git/lfs/objects"
    return {path.name: path.read_bytes() for path in objects.rglob("*") if path.is_file()}
