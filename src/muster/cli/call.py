"""One call of a command: what was asked for globally, and where its answer goes.

`command` gives every command the global options, wherever they are written
(`muster --json status`, `muster status --json`), and turns an error into a
message, the next step and the exit code.
"""

from __future__ import annotations

import functools
import inspect
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec, get_type_hints

import typer

from muster.cli.completing import servers
from muster.cli.exits import advice, code_of
from muster.domain.errors import ApprovalNeeded, DidNotStart, MusterError
from muster.settings import Settings, load

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from muster.cli.session import Session
    from muster.client import Board

P = ParamSpec("P")

PANEL: Final = "Everywhere"
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="The server to talk to (MUSTER_URL)",
        rich_help_panel=PANEL,
        autocompletion=servers,
    ),
]
Home = Annotated[
    str | None,
    typer.Option("--home", metavar="DIR", help="The registry's folder (MUSTER_HOME)", rich_help_panel=PANEL),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs", rich_help_panel=PANEL)]
ActorName = Annotated[
    str | None,
    typer.Option(
        "--actor", metavar="ID", help="Who you are, for the history (MUSTER_ACTOR)", rich_help_panel=PANEL
    ),
]
_GLOBAL: Final = {"server": Server, "home": Home, "as_json": AsJson, "actor": ActorName}
_WIDTH: Final = 160  # columns, where the output is no terminal


@dataclass
class Call:
    """What a command needs beside its own options."""

    flags: dict[str, object] = field(default_factory=dict)
    as_json: bool = False

    @cached_property
    def settings(self) -> Settings:
        """The settings of this call. Raises Invalid."""
        return load(self.flags)

    @cached_property
    def out(self) -> Console:
        """Where answers go."""
        return _console(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """Where progress, hints and errors go."""
        return _console(sys.stderr)

    def emit(self, answer: object, table: Callable[[], RenderableType]) -> None:
        """Print `answer` as JSON if that is wanted, else the table."""
        if self.as_json:
            self.line(json.dumps(answer, ensure_ascii=False, indent=2))
        else:
            self.out.print(table(), highlight=False, soft_wrap=False)

    def line(self, text: str) -> None:
        """Print a line as it is."""
        self.out.file.write(f"{text}\n")

    def note(self, text: str) -> None:
        """Tell a person something beside the answer; programs are not told."""
        if not self.as_json:
            from muster.cli.rendering import plain

            self.err.print(plain(text), markup=False, highlight=False, soft_wrap=True)

    def left_out(self, found: Board) -> None:
        """Tell a person how many there are, if `found` holds not all of them."""
        if found.total > len(found):
            self.note(f"{len(found):,} of {found.total:,} are shown; --limit shows more.")

    @contextmanager
    def connected(self, *, writes: bool = False) -> Iterator[Session]:
        """The registry that was named; see `session.connected`."""
        from muster.cli.session import connected

        with connected(self.settings, writes=writes) as session:
            yield session

    def failed(self, error: MusterError) -> None:
        """Say what went wrong and what to do next."""
        if self.as_json:
            self.err.file.write(
                json.dumps({"error": error.message, "code": error.code, **error.facts()}) + "\n"
            )
            return
        from muster.cli.rendering import plain

        lines = [error.message if isinstance(error, ApprovalNeeded) else f"Error: {error.message}"]
        if isinstance(error, DidNotStart) and error.output.strip() not in error.message:
            lines += ["The last that it wrote:", *(f"  | {line}" for line in error.output.splitlines()[-20:])]
        if hint := advice(error):
            lines.append(f"Next: {hint}")
        for line in lines:
            self.err.print(plain(line), markup=False, highlight=False, soft_wrap=True)


def _console(file: Any) -> Console:
    from rich.console import Console

    if file.isatty():
        return Console(file=file)
    return Console(file=file, width=shutil.get_terminal_size((_WIDTH, 50)).columns)


def command(
    app: typer.Typer, name: str | None = None, *, panel: str | None = None
) -> Callable[[Callable[Concatenate[Call, P], None]], Callable[..., None]]:
    """Make a function a command of `app`; its first parameter is the `Call`."""

    def decorate(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
        run = _running(function)
        app.command(name, rich_help_panel=panel)(run)
        return run

    return decorate


def by_itself(
    group: typer.Typer,
) -> Callable[[Callable[Concatenate[Call, P], None]], Callable[..., None]]:
    """Make a function what `group` does if none of its commands is named."""

    def decorate(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
        run = _running(function)
        group.callback(invoke_without_command=True)(run)
        return run

    return decorate


def _running(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """The function as Typer calls it: with the global options, its errors told."""

    @functools.wraps(function)
    def run(context: typer.Context, **options: Any) -> None:
        call = _called(context, options)
        if context.invoked_subcommand is not None:
            context.obj = call
            return
        try:
            function(call, **options)  # type: ignore[call-arg]  # the options are its own, by name
        except MusterError as error:
            call.failed(error)
            raise typer.Exit(code_of(type(error))) from None

    _describe(run, function)
    return run


def root(app: typer.Typer) -> None:
    """Take the global options before the command, too."""

    @app.callback()
    def globally(
        context: typer.Context,
        server: Server = None,
        home: Home = None,
        as_json: AsJson = False,
        actor: ActorName = None,
    ) -> None:
        """Register AI models, deploy them, roll them back, and see who did it and why.

        `muster status` shows what runs where. A REF is a version: name/v1.0, name/3,
        name@alias, name:production or a model id.
        """
        context.obj = Call(_flags(server, home, actor), as_json)


def _flags(server: str | None, home: str | None, actor: str | None) -> dict[str, object]:
    given = {"url": server, "home": home, "actor": actor}
    return {name: value for name, value in given.items() if value is not None}


def _called(context: typer.Context, options: dict[str, Any]) -> Call:
    """The call, with its own global options over those before the command; they leave `options`."""
    server, home, as_json, actor = (options.pop(name) for name in _GLOBAL)
    before = context.find_object(Call) or Call()
    flags = before.flags | _flags(server, home, actor)
    return Call(flags, before.as_json or as_json)


def _describe(run: Callable[..., None], function: Callable[..., None]) -> None:
    """Give `run` the parameters of `function` and the global ones, as Typer reads them."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    shared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name == "as_json" else None,
            annotation=annotation,
        )
        for name, annotation in _GLOBAL.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    parameters = [context, *own, *shared]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    assert get_type_hints(run)
