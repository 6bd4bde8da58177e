"""`muster demo` tells its whole story, and what the README shows of it is what it prints."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.markdown import ROOT, blocks
from tests.servers import processes_of
from tests.serving import wait_for
from tests.terminal import BIN, Terminal

ELLIPSIS = "…"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What it prints, run once for all."""
    return Terminal(tmp_path_factory.mktemp("demo")).run("muster", "demo")


def test_it_ends_with_the_count_of_requests_and_none_failed(told: str) -> None:
    last = told.rstrip().splitlines()[-1]
    found = re.fullmatch(r"([\d,]+) requests, 0 failed", last)
    assert found, last
    assert int(found[1].replace(",", "")) > 1000


def test_it_leaves_nothing_behind(told: str) -> None:
    folders = set(re.findall(r"\$ cd (\S+)", told))
    assert folders
    assert [folder for folder in folders if Path(folder).exists()] == []


def test_the_readme_shows_what_it_prints(told: str) -> None:
    [transcript] = [block.text for block in blocks(ROOT / "README.md") if "demo" in block.words]
    printed = [line.strip() for line in told.splitlines()]
    at = 0
    for line in (line.strip() for line in transcript.splitlines()):
        if line in ("", ELLIPSIS, "$ make demo"):
            continue
        wanted = re.compile(_any_numbers(line))
        at = next((n + 1 for n in range(at, len(printed)) if wanted.fullmatch(printed[n])), -1)
        assert at > 0, f"not printed, or not in this order: {line}"


def _any_numbers(line: str) -> str:
    """A pattern for the line in which numbers, digests and what is left out may differ."""
    parts = re.split(rf"({ELLIPSIS}|[0-9a-f]{{7,}}|\d[\d.,:]*|\s+)", line)
    free = {ELLIPSIS: ".*"}
    return "".join(
        free.get(part, r"\s+" if part.isspace() else r"[0-9a-f.,:]+") if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )


def begun(folder: Path) -> subprocess.Popen[str]:
    """A demo whose temporary folder is in `folder`, at the moment when its server runs a worker."""
    story = subprocess.Popen(
        [BIN / "muster", "demo"],
        cwd=folder.parent,
        env=Terminal(folder.parent).environment(TMPDIR=str(folder), PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert story.stdout is not None
    next(line for line in story.stdout if "v1 serves" in line)
    return story


def test_an_interrupt_stops_the_server_and_removes_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    story = begun(folder)
    story.send_signal(signal.SIGINT)
    story.communicate()
    assert story.returncode == 130
    assert list(folder.glob("muster-demo-*")) == []
    assert processes_of(folder) == {}


def test_a_kill_of_the_demo_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    story = begun(folder)
    assert any("muster.serving.worker" in line for line in processes_of(folder).values())
    story.kill()
    story.communicate()
    wait_for(lambda: processes_of(folder), lambda left: not left)
    assert list(folder.glob("muster-demo-*")) == []


def test_an_expectation_that_does_not_come_true_ends_it_and_is_named(tmp_path: Path) -> None:
    without_git = tmp_path / "bin"
    without_git.mkdir()
    terminal = Terminal(tmp_path)
    said = terminal.run(str(BIN / "muster"), "demo", exit_code=1, PATH=str(without_git), TMPDIR=str(tmp_path))
    assert said.rstrip().endswith("✗ Expected: git is installed")
    assert list(tmp_path.glob("muster-demo-*")) == []
