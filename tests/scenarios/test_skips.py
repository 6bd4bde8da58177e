"""A test left out for want of a system part is named, and is a failure where none may be left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.needs("no-such-command")
def test_with_a_part_that_is_not_here(): ...

@pytest.mark.needs("sh")
def test_with_a_part_that_is_here(): ...
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    needs(part)\n")
    (tmp_path / "test_parts.py").write_text(TESTS)
    return tmp_path


def run(project: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MUSTER_TEST_NO_SKIP"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # not asked for here, and slow to load
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=project,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_summary_names_each_skipped_test(project: Path) -> None:
    done = run(project)
    assert done.returncode == 0
    assert "needs no-such-command: make system" in done.stdout
    assert "    test_parts.py::test_with_a_part_that_is_not_here\n" in done.stdout
    assert "1 passed, 1 skipped" in done.stdout


def test_a_skip_is_a_failure_where_every_part_must_be_there(project: Path) -> None:
    done = run(project, MUSTER_TEST_NO_SKIP="1")
    assert done.returncode == 1
    assert "MUSTER_TEST_NO_SKIP forbids: needs no-such-command" in done.stdout


def test_a_module_that_skips_itself_is_a_failure_there_too(project: Path) -> None:
    (project / "test_whole.py").write_text('import pytest\npytest.importorskip("no_such_module")\n')
    assert "test_whole.py" in run(project).stdout
    assert run(project, MUSTER_TEST_NO_SKIP="1").returncode == 2
