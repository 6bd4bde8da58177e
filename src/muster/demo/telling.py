"""What the demo says: steps, the commands that do the same, and what was expected of each."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

_MARGIN: Final = "     "
_PAGE: Final = 125  # columns, where it is read from a file


class Disappointed(Exception):
    """An expectation did not come true: the message is the sentence that should have been true."""


class Telling:
    """Prints to `console`; every line a person reads comes from here."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._step = 0

    @property
    def alive(self) -> bool:
        """Whether somebody sits in front of it."""
        return self.console.is_terminal

    @property
    def width(self) -> int:
        """Columns that a command's output may have."""
        return (self.console.width if self.alive else _PAGE) - len(_MARGIN)

    def step(self, what: str) -> None:
        """Begin a step."""
        self._step += 1
        self.console.print()
        self.console.print(f"[bold]{self._step}. {escape(what)}[/bold]")

    def words(self, text: str) -> None:
        """A plain sentence."""
        self.console.print(f"   {escape(text)}", highlight=False)

    def command(self, command: Sequence[str] | str, actor: str | None = None) -> None:
        """The command that does what happens now, as it can be typed."""
        line = command if isinstance(command, str) else shlex.join(command)
        if actor is not None:
            line = f"MUSTER_ACTOR={actor} {line}"
        self.console.print(Text(f"   $ {line}", style="cyan"), soft_wrap=True)

    def output(self, lines: Sequence[str]) -> None:
        """What a command printed."""
        for line in lines:
            if line.strip():
                self.console.print(Text(_MARGIN).append(Text.from_ansi(line.rstrip())), soft_wrap=True)

    def expect(self, true: bool, sentence: str, instead: str = "") -> None:
        """Say that `sentence` came true. Raises Disappointed if it did not, with what was there `instead`."""
        if not true:
            raise Disappointed(f"{sentence}. Instead: {instead}" if instead else sentence)
        self.console.print(f"   [green]✓[/green] {escape(sentence)}", highlight=False, soft_wrap=True)

    def panel(self, text: str, title: str) -> None:
        """Words in a frame."""
        self.console.print(Panel(escape(text), title=title, title_align="left"))

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Something that takes a moment: a spinner on a terminal, else a line."""
        if not self.alive:
            self.words(f"{what} …")
            yield
            return
        with self.console.status(what):
            yield

    def disappointed(self, why: Disappointed) -> None:
        """The expectation that did not come true."""
        self.console.print(f"   [red]✗[/red] Expected: {escape(str(why))}", highlight=False, soft_wrap=True)
