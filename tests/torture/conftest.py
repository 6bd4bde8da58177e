"""What `make torture` measured, at the end of its report."""

import pytest

from tests.torture.scale import FIGURES, FULL


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FULL:
        terminalreporter.section("figures")
        for text in FIGURES:
            terminalreporter.line(text)
