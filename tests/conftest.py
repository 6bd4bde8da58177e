"""Tests that need a part of the system say so, and a run says which ones it left out.

`@pytest.mark.needs("git-lfs")` skips a test where there is no such command, and
`needs("root")` where it may not mount a disk or give a file to somebody else. With
MUSTER_TEST_NO_SKIP=1 (as in CI) every skipped test has failed instead.
"""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

# Parts whose command has another name, or one of several.
COMMANDS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "postgresql": ("pg_ctlcluster", "postgres"),
}


def is_there(part: str) -> bool:
    if part == "root":
        return os.geteuid() == 0
    return any(shutil.which(command) for command in COMMANDS.get(part, (part,)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for part in mark.args:
            if not is_there(part):
                pytest.skip(f"needs {part}: make system")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("MUSTER_TEST_NO_SKIP") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped, which MUSTER_TEST_NO_SKIP forbids: {_reason(report)}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        skipped.setdefault(_reason(report), []).append(report.nodeid or str(Path(report.fspath)))
    if skipped:
        terminalreporter.section("skipped", yellow=True)
    for reason, tests in sorted(skipped.items()):
        terminalreporter.line(f"{reason}  ({len(tests)} tests)")
        for test in sorted(tests):
            terminalreporter.line(f"    {test}")
