"""`make` on a machine that lacks something names the one line that helps."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Machine:
    """A folder of commands that stands for everything on PATH."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self.path.mkdir()
        for command in ("awk", "bash", "df", "id", "sed"):
            # No links: a stand-in written over one would replace the machine's own command.
            self.has(command, f'exec {shutil.which(command)} "$@"')
        self.has("git", "echo git version 2.39.5")
        self.has("python3", f'exec "{sys.executable}" "$@"')

    def has(self, command: str, script: str) -> None:
        (self.path / command).write_text(f"#!/bin/sh\n{script}\n")
        (self.path / command).chmod(0o755)

    def lacks(self, command: str) -> None:
        (self.path / command).unlink()

    def preflight(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "tools" / "preflight.sh", *arguments],
            env={"PATH": str(self.path), **variables},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_with_everything_is_told_nothing(machine: Machine) -> None:
    done = machine.preflight("--disk", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{machine.path}/python3\n"


def test_python_without_ensurepip_needs_the_venv_package(machine: Machine) -> None:
    machine.has("python3", f'case "$2" in *ensurepip*) exit 1 ;; esac; exec "{sys.executable}" "$@"')
    done = machine.preflight("--disk", "1")
    assert done.returncode == 1
    assert "lacks venv or ensurepip" in done.stderr
    assert "apt-get install -y python3-venv\n" in done.stderr


def test_another_python_on_path_stands_in_for_an_incomplete_one(machine: Machine) -> None:
    machine.has("python3", "exit 1")
    machine.has("python3.12", f'exec "{sys.executable}" "$@"')
    assert machine.preflight("--disk", "1").stdout == f"{machine.path}/python3.12\n"


def test_an_old_git_is_named_with_its_version(machine: Machine) -> None:
    machine.has("git", "echo git version 2.30.2")
    done = machine.preflight("--disk", "1")
    assert done.returncode == 1
    assert "git is 2.30.2, but 2.36 or newer is needed" in done.stderr


def test_one_line_installs_all_that_is_missing(machine: Machine) -> None:
    machine.lacks("git")
    machine.lacks("python3")
    done = machine.preflight("--disk", "1")
    assert done.returncode == 1
    assert "apt-get install -y python3 python3-venv git\n" in done.stderr
    assert ("sudo" in done.stderr) == (os.getuid() != 0)


def test_a_full_disk_is_no_matter_for_the_package_manager(machine: Machine) -> None:
    machine.has("df", "printf 'head\\n/dev/x 9 9 2048 99%% /\\n'")
    done = machine.preflight()
    assert done.returncode == 1
    assert "only 2 MiB of disk are free here, but 2048 are needed" in done.stderr
    assert "apt-get" not in done.stderr


def test_a_python_that_was_asked_for_is_the_one_or_none(machine: Machine) -> None:
    done = machine.preflight("--disk", "1", PYTHON="python9")
    assert done.returncode == 1
    assert "PYTHON=python9 is not a Python 3.11 to 3.14 that runs" in done.stderr
