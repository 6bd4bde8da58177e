"""An unmodified `mlflow` client in this process: its tracking store is a file, its registry a live server."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Nothing leaves this machine, and no call waits long for what does not come.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextmanager
def surrounded(registry: str, folder: Path, **more: str) -> Iterator[dict[str, str]]:
    """The environment of a client whose tracking store is in `folder`."""
    there = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    said = QUIET | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/tracking.db",
        "MLFLOW_REGISTRY_URI": registry,
    }
    with patch.dict(os.environ, there | said | more, clear=True):
        yield dict(os.environ)


@contextmanager
def connected(registry: str, folder: Path, **more: str) -> Iterator[MlflowClient]:
    """A client, and `mlflow` set up likewise as long as the block lasts, which it spends in `folder`."""
    with surrounded(registry, folder, **more), chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, and of what it imports
        import mlflow
        from mlflow import MlflowClient

        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
        mlflow.set_registry_uri(registry)
        try:
            yield MlflowClient()
        finally:
            mlflow.set_tracking_uri(before[0])
            mlflow.set_registry_uri(before[1])


def a_model(folder: Path) -> Any:
    """A pyfunc model, saved in `folder` from code, that gives back what it gets."""
    import mlflow

    code = folder.with_suffix(".py")
    code.write_text(
        "import mlflow\n"
        "class Echo(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input: list[int], params=None) -> list[int]:\n"
        "        return model_input\n"
        "mlflow.models.set_model(Echo())\n"
    )
    mlflow.pyfunc.save_model(folder, python_model=str(code), pip_requirements=[])
    return code
