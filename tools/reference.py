"""Write the tables of docs/reference/cli.md, api.md and settings.md from the program.

usage: .venv/bin/python tools/reference.py

In each page everything below the line `<!-- written by tools/reference.py -->` is
replaced; the test in tests/docs/test_reference.py says when that is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import typer.main

from muster.bootstrap import open_home
from muster.bootstrap.server import application
from muster.cli.inprocess import URL, InProcess
from muster.cli.tree import app
from muster.settings import Settings, described, load, variable

PAGES = Path(__file__).parents[1] / "docs" / "reference"
MARK = "<!-- written by tools/reference.py -->\n"
MIB = 1024 * 1024
EVERYWHERE = ("server", "home", "as_json", "actor", "help")  # said once, at the top of the page


def cli() -> str:
    """Each command with its arguments and options."""
    return "\n".join(_commands(typer.main.get_command(app), "muster"))


def _commands(command: Any, name: str) -> Iterator[str]:
    if inner := getattr(command, "commands", None):
        for word, each in inner.items():
            yield from _commands(each, f"{name} {word}")
        if not command.invoke_without_command or name == "muster":
            return
    own = [p for p in command.params if p.name not in EVERYWHERE]
    arguments = [p for p in own if p.param_type_name == "argument"]
    options = [p for p in own if p.param_type_name == "option"]
    yield f"## `{' '.join([name, *(_word(p) for p in arguments)])}`\n"
    yield f"{command.help}\n"
    if own:
        yield "| | |\n| --- | --- |"
        yield from (f"| {_code(_word(p))} | {_help(p)} |" for p in arguments)
        yield from (f"| {_written(p)} | {_help(p)} |" for p in options)
        yield ""


def _word(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _written(option: Any) -> str:
    value = "" if option.is_flag else f" {_word(option)}"
    return ", ".join(_code(f"{name}{value}") for name in (*option.opts, *option.secondary_opts))


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _help(parameter: Any) -> str:
    default = parameter.default
    shown = isinstance(default, (str, int, float)) and not isinstance(default, bool) and default != ""
    return f"{parameter.help or ''}{f' (default: `{default}`)' if shown else ''}".replace("|", "\\|")


def api() -> str:
    """Each call of the HTTP API."""
    lines = ["| call | what it does |", "| --- | --- |"]
    for path, methods in sorted(_openapi()["paths"].items()):
        for method, operation in methods.items():
            lines.append(f"| `{method.upper()} {path}` | {operation['summary']} |")
    return "\n".join(lines) + "\n"


def _openapi() -> dict[str, Any]:
    with TemporaryDirectory() as folder, open_home(load({"home": folder}, environment={})) as home:
        transport = InProcess(application(home))
        with httpx.Client(base_url=URL, transport=transport) as client:
            document: dict[str, Any] = client.get("/schema/openapi.json").raise_for_status().json()
    return document


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
    if isinstance(value, tuple):
        return f"`{','.join(f'{each:g}' for each in value)}`"
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
