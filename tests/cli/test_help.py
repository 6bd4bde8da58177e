"""Every command says what it does, and saying so loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from muster.cli.tree import app

WRITES = (
    "register",
    "push",
    "deploy",
    "rollback",
    "undeploy",
    "stage",
    "alias",
    "update",
    "note",
    "delete",
    "report",
)
WRITES_BELOW = ("env create", "env update", "env delete", "env protect", "env unprotect")


def commands(tree: typer.Typer, before: str = "") -> Iterator[str]:
    for each in tree.registered_commands:
        assert each.callback is not None
        yield f"{before}{each.name or each.callback.__name__}"
    for group in tree.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{before}{group.name} ")


@pytest.mark.parametrize("command", list(commands(app)))
def test_a_command_says_what_it_does_and_takes_the_global_options(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    for option in ("--json", "--server", "--home", "--actor"):
        assert option in done.output


@pytest.mark.parametrize("command", [*WRITES, *WRITES_BELOW])
def test_a_write_takes_a_reason_and_can_be_tried(command: str) -> None:
    said = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"}).output
    assert "--reason" in said
    assert "--dry-run" in said


def test_what_runs_where_comes_first() -> None:
    assert next(commands(app)) == "status"


def test_help_loads_no_client_and_no_server() -> None:
    program = (
        "import sys; import muster.cli.tree; "
        "print([m for m in ('httpx', 'litestar', 'sqlalchemy', 'pygit2', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
