"""What a person begins to type, the shell completes with what the server knows."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.terminal import BIN, PATIENCE_S, Terminal

Complete = Callable[[str], str]
Words = Callable[[str], list[str]]
MUSTER = str(BIN / "muster")
END = "the line ends here"


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in a folder whose registry a server owns, with two models in it."""
    terminal = Terminal(tmp_path_factory.mktemp("completing"))
    with terminal.serve():
        for command in (
            ("register", "digits", "v1", "--training-data", "t"),
            ("register", "digits", "v2", "--training-data", "t"),
            ("register", "voice of ours", "v1", "--training-data", "t"),
            ("alias", "digits@champion", "v1"),
            ("deploy", "digits/v2"),
            ("env", "create", "canary"),
        ):
            terminal.run("muster", *command)
        yield terminal


def offered(terminal: Terminal, line: str) -> list[str]:
    """The words that fish is offered for the end of a line; nothing else may be printed."""
    said = terminal.run(
        MUSTER,
        _MUSTER_COMPLETE="complete_fish",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        _TYPER_COMPLETE_ARGS=line,
    )
    return [line.split("\t")[0] for line in said.splitlines() if line]


@pytest.fixture
def words(terminal: Terminal) -> Words:
    return partial(offered, terminal)


@pytest.fixture
def bash(terminal: Terminal, tmp_path: Path) -> Iterator[Complete]:
    """What a line becomes in a real bash after a press of the tabulator key."""
    script = terminal.run(MUSTER, _MUSTER_COMPLETE="source_bash")
    settings = tmp_path / "bashrc"
    settings.write_text(f"PS1=\nbind 'set bell-style none'\nbind 'set enable-bracketed-paste off'\n{script}")
    primary, secondary = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", settings, "-i"],
        cwd=terminal.folder,
        env=terminal.environment(TERM="dumb", COLUMNS="1000"),
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        start_new_session=True,
    )
    os.close(secondary)

    def complete(line: str) -> str:
        # Then to the line's begin, where echo makes it say what it has become.
        os.write(primary, f"{line}\t\001echo '<'\005'>' {END}\n".encode())
        seen, deadline = "", time.monotonic() + PATIENCE_S
        while f"> {END}" not in seen:
            assert select.select([primary], [], [], deadline - time.monotonic())[0], seen
            seen += os.read(primary, 65536).decode()
        return seen.rpartition(f"> {END}")[0].rpartition("<")[2].rstrip()

    yield complete
    os.close(primary)
    shell.wait(PATIENCE_S)


def test_a_model_completes_to_its_name_and_to_what_there_is_of_it(words: Words) -> None:
    assert words("muster deploy di") == [
        *("digits", "digits/v1", "digits/v2", "digits:production", "digits@champion"),
        *("digits_v1", "digits_v2"),
    ]
    assert words("muster show digits/") == ["digits/v1", "digits/v2"]
    assert words("muster show digits@c") == ["digits@champion"]
    assert words("muster rollback digits:") == ["digits:production"]
    assert words("muster log digits_v") == ["digits_v1", "digits_v2"]
    assert words("muster status d") == ["digits"]


def test_environments_stages_aliases_and_what_serves_are_completed(words: Words) -> None:
    assert words("muster deploy digits/v1 --to ca") == ["canary"]
    assert words("muster env show p") == ["production"]
    assert words("muster undeploy digits --from s") == ["staging"]
    assert words("muster stage digits/v1 a") == ["archived"]
    assert words("muster alias digits@") == ["digits@", "digits@champion"]
    assert words("muster predict d") == ["digits", "digits:production"]


def test_bash_completes_words_that_it_breaks_at_their_signs(bash: Complete) -> None:
    assert bash("muster status di") == "muster status digits"
    assert bash("muster show digits@") == "muster show digits@champion"
    assert bash("muster show digits@ch") == "muster show digits@champion"
    assert bash("muster rollback digits:") == "muster rollback digits:production"
    assert bash("muster rollback digits:pro") == "muster rollback digits:production"
    assert bash("muster deploy digits/v1 --to=can") == "muster deploy digits/v1 --to=canary"
    assert bash("muster env sh") == "muster env show"


def test_the_registry_that_the_line_names_is_asked(terminal: Terminal, words: Words) -> None:
    elsewhere = terminal.folder / "elsewhere"
    assert words(f"muster --home {elsewhere} status d") == []
    assert words(f"muster status --home {elsewhere} d") == []
    assert words(f"muster status --home {terminal.folder / 'registry'} d") == ["digits"]
    assert words("muster --server http://127.0.0.1:9 status d") == []


def test_the_server_that_was_logged_in_to_is_remembered(tmp_path: Path, terminal: Terminal) -> None:
    url = json.loads((terminal.folder / "registry/run/server.json").read_text())["url"]
    there = Terminal(tmp_path)
    assert offered(there, "muster login h") == []
    there.run("muster", "login", url)
    assert offered(there, "muster login h") == [url]
    assert offered(there, "muster --server ht") == [url]
    assert offered(there, "muster status d") == ["digits"]


def test_where_no_server_answers_there_are_no_words_and_no_complaints(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text("nonsense")
    for line in ("muster deploy d", "muster --home nowhere env show ", "muster predict "):
        assert offered(Terminal(tmp_path), line) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "muster.toml"]
