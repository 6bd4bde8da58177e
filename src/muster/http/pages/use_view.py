"""How to use a model from curl, Python, mlflow and git, ready to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from math import prod
from typing import Any, Final
from urllib.parse import quote

from muster.domain.names import fan
from muster.http.pages.page import Page

Example = tuple[str, str]
_MOST: Final = 100  # numbers in an example; what takes more comes from a file


def examples(
    page: Page, record: Mapping[str, Any] | None, name: str, environment: str | None
) -> list[Example]:
    """(tool, commands); `record` is the version to use, `environment` where it runs, if anywhere."""
    url = page.visitor.url
    found: list[Example] = []
    request = _request(record["signature"] if record else None)
    if environment is not None:
        where = f"{url}/serve/{environment}/{quote(name, safe='')}/invocations"
        body = "@request.json" if request is None else json.dumps(request)
        curl = ["curl -s", shlex.quote(where), "\\\n  -H 'Content-Type: application/json'"]
        found.append(("curl", " ".join([*curl, "\\\n  -d", shlex.quote(body)])))
        given = "request" if request is None else json.dumps(request)
        lines = ["from muster import Client", "", f"muster = Client({url!r})"]
        if request is None:
            lines = ["import json", *lines, 'request = json.load(open("request.json"))']
        found.append(
            ("Python", "\n".join([*lines, f"muster.predict({name!r}, {given}, environment={environment!r})"]))
        )
    else:
        ref = f"{name}/{record['version']}" if record else name
        call = f"version({ref!r})" if record else f"model({name!r})"
        where = f"{url}/api/v1/models/{quote(name, safe='')}"
        where += f"/versions/{quote(record['version'], safe='')}" if record else ""
        found.append(("curl", f"curl -s {shlex.quote(where)}"))
        found.append(("Python", f"from muster import Client\n\nmuster = Client({url!r})\nmuster.{call}"))
    if record:
        found += [("mlflow", _mlflow(url, name, record)), ("git", _git(name, record))]
    return found


def _mlflow(url: str, name: str, record: Mapping[str, Any]) -> str:
    return (
        f"import mlflow\n\nmlflow.set_tracking_uri({url!r})\n"
        f"client = mlflow.MlflowClient()\n"
        f"version = client.get_model_version({name!r}, {str(record['number'])!r})\n"
        f"mlflow.artifacts.download_artifacts({'models:/' + name + '/' + str(record['number'])!r})"
    )


def _git(name: str, record: Mapping[str, Any]) -> str:
    """On the server's machine, in the folder of the registry: the repository is not served over HTTP."""
    folder = f"models/{fan(name)}"
    lines = ["# on the server, in the folder of the registry", "git clone registry.git clone && cd clone"]
    lines.append(f"git log -- {shlex.quote(folder)}")
    if record["files"]:
        files = f"{folder}/versions/{record['number']}/**"
        lines.append(f"git lfs pull -I {shlex.quote(files)} -X ''")
    return "\n".join(lines)


def _request(signature: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A request of zeros in the shape of the inputs; None if that is not known, or long."""
    inputs = (signature or {}).get("inputs") or []
    shapes = [[1 if size is None else int(size) for size in each["shape"]] for each in inputs]
    if not inputs or sum(prod(shape) for shape in shapes) > _MOST:
        return None
    values = [
        _filled(shape, "" if each["dtype"] == "BYTES" else 0)
        for each, shape in zip(inputs, shapes, strict=True)
    ]
    if len(inputs) == 1:
        return {"inputs": values[0]}
    return {"inputs": {each["name"]: value for each, value in zip(inputs, values, strict=True)}}


def _filled(shape: list[int], value: object) -> Any:
    return value if not shape else [_filled(shape[1:], value) for _ in range(shape[0])]
