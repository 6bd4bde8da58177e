"""A real `mlflow server`, and a registry in it as a team may have it after a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.mlflow_clients import QUIET, a_model
from tests.terminal import Terminal, free_port

if TYPE_CHECKING:
    from mlflow import MlflowClient


@contextmanager
def serving(folder: Path, database: str) -> Iterator[str]:
    """The address of a server on that database; it keeps files in `folder`."""
    port = free_port()
    command = ("mlflow", "server", "--backend-store-uri", database, "--port", str(port), "--workers", "1")
    kept = ("--artifacts-destination", str(folder / "artifacts"))
    with Terminal(folder).background(*command, *kept, port=port, path="/health", **QUIET) as running:
        yield running.url


@dataclass(frozen=True)
class Past:
    """What is in the registry."""

    logged: Any  # what `log_model` gave for Echo/1, which has files and a run
    files: set[str]


def a_past(client: MlflowClient, folder: Path) -> Past:
    """Echo/1 from a run, 2 deleted, 3 in production and the champion; a copy, a prompt, a model with nothing.

    `mlflow` itself must be set to the same server.
    """
    import mlflow

    code = a_model(folder / "echo")
    with mlflow.start_run(tags={"mlflow.user": "grace"}):
        mlflow.log_metric("auc", 0.875)
        mlflow.log_param("depth", 3)
        logged = mlflow.pyfunc.log_model(
            name="echo", python_model=str(code), registered_model_name="Echo", pip_requirements=[]
        )
    client.update_registered_model("Echo", "Says it again")
    client.set_registered_model_tag("Echo", "team", "sound")
    for number in ("2", "3"):
        client.create_model_version(
            "Echo", logged.model_uri, model_id=logged.model_id, description=f"Take {number}"
        )
    client.delete_model_version("Echo", "2")
    client.set_model_version_tag("Echo", "3", "validated", "")
    client.transition_model_version_stage("Echo", "3", "Production")
    client.set_registered_model_alias("Echo", "champion", "3")
    client.set_registered_model_alias("Echo", "production", "1")
    client.copy_model_version("models:/Echo/3", "Echo copied")
    client.create_registered_model("nothing yet", tags={"a.b/c": "ü\n"})
    mlflow.genai.register_prompt("greeting", "Say {{what}}", commit_message="First words")
    written = {path.relative_to(folder / "echo").as_posix() for path in (folder / "echo").rglob("*")}
    return Past(logged, {name for name in written if (folder / "echo" / name).is_file()})
