"""The command line. Exit codes are those of `muster.cli.exits`.

Everything heavy is imported when a command needs it: `muster --help` is quick.
"""

from __future__ import annotations


def main() -> None:
    """Run the command that was typed."""
    from muster.cli.completing import answer_bash, is_asked_by_bash
    from muster.cli.tree import app

    if is_asked_by_bash():
        answer_bash(lambda: app(prog_name="muster"))
    else:
        app(prog_name="muster")
