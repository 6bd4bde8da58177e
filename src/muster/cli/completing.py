"""What can be meant by the word that is being typed: names that the server knows.

A shell asks while a person waits, and shows whatever is printed: so there is one
short try, and no word where no server answers.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

import typer

from muster.domain.errors import MusterError
from muster.settings import load

if TYPE_CHECKING:
    from muster.client import Client

_TIMEOUT_S: Final = 1.0
_MOST: Final = 200
_FEW: Final = 20  # models that are asked for one by one
_SIGNS: Final = "/@:"

Words = Callable[[typer.Context, str], list[str]]


def _asking(find: Callable[[Client, str], Iterable[str]]) -> Words:
    """A completion that gives what `find` knows of the word, and nothing if no server answers."""

    def words(context: typer.Context, incomplete: str) -> list[str]:
        from muster.cli.session import owner, server_named
        from muster.client import Client

        # Nothing may be printed but words, whatever answers at that address.
        with suppress(MusterError, LookupError, ValueError):
            settings = load(_flags(context))
            if (url := server_named(settings) or owner(settings)) is not None:
                with Client(url, timeout_s=_TIMEOUT_S) as client:
                    return sorted({each for each in find(client, incomplete) if each.startswith(incomplete)})
        return []

    return words


def _flags(context: typer.Context) -> dict[str, object]:
    """The global options that have been typed, before the command or behind it."""
    given: dict[str, object] = {}
    at: Any = context  # its parents are of another class, with the same attributes
    while at is not None:
        for option, setting in (("server", "url"), ("home", "home")):
            if at.params.get(option) is not None:
                given.setdefault(setting, at.params[option])
        at = at.parent
    return given


# ------------------------------------------------------------ what is known


def _models(client: Client, text: str) -> list[str]:
    return [str(model["name"]) for model in client.models(text=text or None, limit=_MOST)]


def _environments(client: Client, _: str) -> list[str]:
    return [str(environment["name"]) for environment in client.environments(limit=_MOST)]


def _refs(client: Client, text: str) -> Iterator[str]:
    """Models while several can be meant, then what there is of the one; and model ids."""
    names = [name for name in _models(client, text) if name.startswith(text)]
    yield from names
    if len(names) == 1:
        yield from _of(client, names[0], _SIGNS)
    for at in (index for index, sign in enumerate(text) if sign in _SIGNS):
        if at:
            yield from _of(client, text[:at], text[at])
    yield from _ids(client, text)


def _of(client: Client, model: str, signs: str) -> Iterator[str]:
    """References to the model's versions, with one of those signs."""
    with suppress(MusterError):  # there may be no such model
        if "/" in signs:
            for version in client.versions(model, order="-number", limit=_MOST):
                yield f"{model}/{version['version']}"
        if "@" in signs:
            yield from (f"{model}@{each['alias']}" for each in client.aliases(model, limit=_MOST))
        if ":" in signs:
            for each in client.deployments(model=model, limit=_MOST):
                yield f"{model}:{each['environment']}"


def _ids(client: Client, text: str) -> Iterator[str]:
    """Ids are searched by the model's name, which ends at one of their underscores."""
    name = text
    while name:
        for version in client.versions(text=name, limit=_MOST):
            yield str(version["model_id"])
        name = name.rpartition("_")[0]


def _aliases(client: Client, text: str) -> Iterator[str]:
    for name in _models(client, text.rpartition("@")[0] or text)[:_FEW]:
        yield f"{name}@"
        yield from _of(client, name, "@")


def _served(client: Client, _: str) -> Iterator[str]:
    for each in client.deployments(limit=_MOST):
        yield str(each["model"])
        yield f"{each['model']}:{each['environment']}"


models: Final = _asking(_models)
environments: Final = _asking(_environments)
refs: Final = _asking(_refs)
aliases: Final = _asking(_aliases)
served: Final = _asking(_served)


def stages(_: typer.Context, incomplete: str) -> list[str]:
    """The stages there are."""
    return [
        each for each in ("development", "staging", "production", "archived") if each.startswith(incomplete)
    ]


def servers(_: typer.Context, incomplete: str) -> list[str]:
    """The server of the profile that `muster login` keeps."""
    from muster.cli import profile

    kept = profile.remembered()
    url = kept.url if kept else None
    return [url] if url is not None and url.startswith(incomplete) else []


# ------------------------------------------------------------ bash

_BREAKS: Final = re.compile("[:=@]+")


def is_asked_by_bash() -> bool:
    """Whether this process is to answer bash. What the shell tells is no setting."""
    return os.environ.get("_MUSTER_COMPLETE") == "complete_bash"


def answer_bash(answer: Callable[[], None]) -> None:
    """Have `answer` print its words as bash wants them, which breaks a word at `:`, `=` and `@`.

    It gives `name@champ` as three words, and puts what is answered in the place of
    what is behind the `:` or `=`, or from the `@` on (bash(1), COMP_WORDBREAKS).
    """
    word = _joined(os.environ)
    kept = max(word.rfind(":") + 1, word.rfind("=") + 1, word.rfind("@"))
    said = StringIO()
    try:
        with redirect_stdout(said):
            answer()
    finally:
        for line in said.getvalue().splitlines():
            sys.stdout.write(f"{line.removeprefix(word[:kept])}\n")


def _joined(environment: MutableMapping[str, str]) -> str:
    """Put the words together that bash broke; the one that is being typed."""
    broken, at = environment["COMP_WORDS"].split("\n"), int(environment["COMP_CWORD"])
    words: list[str] = []
    current, goes_on = 0, False
    for index, word in enumerate([*broken, ""][: max(len(broken), at + 1)]):
        breaks = _BREAKS.fullmatch(word) is not None
        if words and (goes_on or breaks):
            words[-1] += word
        else:
            words.append(word)
        goes_on = breaks
        if index == at:
            current = len(words) - 1
    environment["COMP_WORDS"], environment["COMP_CWORD"] = "\n".join(words), str(current)
    return words[current]
