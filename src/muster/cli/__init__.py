"""The command line. Exit codes are those of `muster.cli.exits`.

Everything heavy is imported when a command needs it: `muster --help` is quick.
"""

from __future__ import annotations


def main() -> None:
    """Run the command that was typed."""
    from muster.cli.tree import app

    app(prog_name="muster")
