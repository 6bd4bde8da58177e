"""Write the tables of docs/reference/cli.md, api.md and settings.md from the program.

usage: .venv/bin/python tools/reference.py

In each page everything below the line `<!-- written by tools/reference.py -->` is
replaced; the test in tests/docs/test_reference.py says when that is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer.main
from click import Argument, Command, Context, Group, Option

from muster.cli.tree import app
from muster.settings import Settings, described, variable

PAGES = Path(__file__).parents[1] / "docs" / "reference"
MARK = "<!-- written by tools/reference.py -->\n"
MIB = 1024 * 1024


def cli() -> str:
    """Each command with its arguments and options."""
    root = typer.main.get_command(app)
    return "\n".join(_commands(root, Context(root, info_name="muster")))


def _commands(command: Command, context: Context) -> Iterator[str]:
    if isinstance(command, Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(inner, Context(inner, info_name=name, parent=context))
        return
    parameters = [p for p in command.params if p.name not in ("server", "home", "as_json", "actor", "help")]
    arguments = [p for p in parameters if isinstance(p, Argument)]
    words = [str(p.metavar or p.human_readable_name) for p in arguments]
    yield f"## `{' '.join([context.command_path, *words])}`\n"
    yield f"{command.help}\n"
    rows = [(f"`{word}`", _help(p)) for word, p in zip(words, arguments, strict=True)]
    rows += [(_written(p), _help(p)) for p in parameters if isinstance(p, Option)]
    if rows:
        yield "| | |\n| --- | --- |"
        yield from (f"| {left} | {right} |" for left, right in rows)
        yield ""


def _written(option: Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    return ", ".join(f"`{name}{value}`" for name in option.opts).replace("|", "\\|")


def _help(parameter: Any) -> str:
    default = parameter.default
    shown = isinstance(default, (str, int, float)) and not isinstance(default, bool) and default != ""
    return f"{parameter.help or ''}{f' (default: `{default}`)' if shown else ''}".replace("|", "\\|")


def api() -> str:
    """Each call of the HTTP API."""
    from muster.http.openapi import operations_of

    lines = ["| call | what it does |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{m} {path}` | {said} |" for m, path, said in operations_of())]) + "\n"


def settings() -> str:
    """Each setting."""
    lines = ["| setting | variable | default | what it means |", "| --- | --- | --- | --- |"]
    for name, about in described().items():
        lines.append(f"| `{name}` | `{variable(name)}` | {_default(name)} | {about.text} |")
    return "\n".join(lines) + "\n"


def _default(name: str) -> str:
    value = getattr(Settings(), name)
    if name == "actor":
        return "the operating system's user"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value in (None, "", ()):
        return "none"
    if name.endswith("_bytes"):
        return f"`{value // MIB} MiB`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


WRITTEN: dict[str, Callable[[], str]] = {"cli.md": cli, "api.md": api, "settings.md": settings}


def page(name: str) -> str:
    """The whole page as it should be."""
    head, mark, _ = (PAGES / name).read_text().partition(MARK)
    return f"{head}{mark or MARK}\n{WRITTEN[name]()}"


if __name__ == "__main__":
    for file in WRITTEN:
        (PAGES / file).write_text(page(file))
