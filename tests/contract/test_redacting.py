"""A text goes from the history for ever; the signed map of it is accepted for it, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from muster.auditing import prove
from muster.bootstrap import Home, open_home
from muster.bootstrap.redacting import redact
from muster.domain.changes import (
    Actor,
    Change,
    CreateModel,
    Note,
    RegisterVersion,
    TagModel,
    UpdateModel,
)
from muster.domain.checkpoints import Redaction, read
from muster.domain.errors import Conflict, Invalid, NotFound
from muster.domain.redacting import MARK
from muster.settings import Settings, load
from tests.repositories import git
from tests.rewriting import history, rewrite

ADA = Actor("ada")
SECRET = "Call 0151 23456789 after six"


def settings(path: Path) -> Settings:
    return load({"home": str(path / "home"), "actor": "officer"}, environment={})


def submit(home: Home, change: Change, reason: str = "") -> str:
    recorded = home.registry.submit(change, ADA, reason).result()
    assert recorded.commit
    return recorded.commit


@pytest.fixture
def told(tmp_path: Path) -> dict[str, str]:
    """A home with changes of which some say too much, signed between and after; their commits by name."""
    said: dict[str, str] = {}
    with open_home(settings(tmp_path)) as home:
        said["create"] = submit(home, CreateModel("digits", description="Reads digits"))
        home.notary.checkpoint()
        said["reason"] = submit(home, RegisterVersion("digits", "v1"), f"Line one\n\n{SECRET}")
        said["describe"] = submit(home, UpdateModel("digits", description=SECRET))
        home.notary.checkpoint()
        said["tag"] = submit(home, TagModel("digits", {"contact.person": SECRET}))
        said["note"] = submit(home, Note("digits", 1, f"{SECRET}\nand more of it"))
        said["card"] = submit(home, UpdateModel("digits", card=SECRET))
        said["rename"] = submit(home, home.registry.renaming("digits", "ciphers"))
        said["last"] = submit(home, TagModel("ciphers", {"lang": "de"}), "Nothing to hide")
        home.notary.checkpoint()
    return said


def problems(tmp_path: Path, clone: Path | None = None) -> list[str]:
    home = tmp_path / "home"
    key = str(_key(tmp_path))
    where = clone or home / "registry.git"
    return prove([home / "checkpoints.jsonl"], key, where, "HEAD", objects=True).problems


def _key(tmp_path: Path) -> str:
    with open_home(settings(tmp_path)) as home:
        return str(home.notary.signer.public)


def everything(folder: Path) -> bytes:
    """All that is on the disk of a home: each file, each object of Git as it is when unpacked."""
    repository = folder / "registry.git"
    objects = git(repository, "cat-file", "--batch", "--batch-all-objects")
    return objects + b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def redactions(tmp_path: Path) -> list[Redaction]:
    lines = (tmp_path / "home" / "checkpoints.jsonl").read_bytes().splitlines()
    return [each for line in lines if isinstance(each := read(line).statement, Redaction)]


@pytest.mark.parametrize(
    ("which", "field", "loses"),
    [
        ("reason", "reason", [3]),
        ("note", "message", [6]),
        # Every later commit that writes the record has it, too.
        ("tag", "tags.contact.person", [5, 7, 8, 9]),
    ],
)
def test_a_text_goes_from_every_commit_that_has_it_and_nothing_else_does(
    told: dict[str, str], tmp_path: Path, which: str, field: str, loses: list[int]
) -> None:
    before = [message(each) for each in history(tmp_path / "home" / "registry.git")]
    done = redact(settings(tmp_path), told[which], field, "Personal data")
    assert list(done.redacted) == loses
    after = [message(each) for each in history(tmp_path / "home" / "registry.git")]
    others = [at for at in range(len(before)) if at + 1 not in loses or field.startswith("tags")]
    assert [after[at] for at in others] == [before[at] for at in others]
    assert after[-1].startswith("Redact")
    assert "Muster-Actor: officer" in after[-1]
    assert problems(tmp_path) == []
    signed = redactions(tmp_path)[-1]
    assert (signed.actor, signed.reason, signed.field) == ("officer", "Personal data", field)
    assert signed.redacted == tuple(loses)
    assert SECRET not in json.dumps(signed.fields())


def message(commit: bytes) -> str:
    return commit.partition(b"\n\n")[2].decode()


def test_when_each_place_is_redacted_nothing_of_it_is_on_the_disk(
    told: dict[str, str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert SECRET.encode() in everything(home)
    for which, field in (
        ("reason", "reason"),
        ("describe", "description"),
        ("tag", "tags.contact.person"),
        ("note", "message"),
        ("card", "content"),
    ):
        redact(settings(tmp_path), commit_now(tmp_path, told, which), field, f"Personal data in {which}")
        assert problems(tmp_path) == []
    assert SECRET.encode() not in everything(home)
    with open_home(settings(tmp_path)) as opened:
        model, _ = opened.registry.model("ciphers")
        assert (model["description"], model["card"], model["tags"]) == (
            MARK,
            MARK,
            {"contact.person": MARK, "lang": "de"},
        )
        kinds = [each.entry.kind for each in opened.storage.index.changes_after(0, 100)]
    assert kinds[-5:] == ["redact"] * 5


def commit_now(tmp_path: Path, told: dict[str, str], which: str) -> str:
    """The id that a commit has by now, by the maps."""
    commit = told[which]
    for signed in redactions(tmp_path):
        if commit in signed.old:
            commit = signed.new[signed.old.index(commit)]
    return commit


def test_a_dry_run_says_what_would_go_and_leaves_everything(told: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "home"

    def state() -> tuple[bytes, bytes]:
        return git(home / "registry.git", "rev-parse", "main"), (home / "checkpoints.jsonl").read_bytes()

    before = state()
    done = redact(settings(tmp_path), told["reason"], "reason", "Personal data", dry_run=True)
    assert (done.commits, done.redacted) == (7, (3,))
    assert state() == before


@pytest.mark.parametrize(
    ("which", "field", "reason", "error"),
    [
        ("reason", "reason", "", Invalid),
        ("reason", "owner", "why", Invalid),
        ("reason", "description", "why", NotFound),  # an earlier one put it there
        ("rename", "description", "why", NotFound),
        ("create", "reason", "why", NotFound),
        ("none", "reason", "why", NotFound),
        ("create", "name", "why", Invalid),
    ],
)
def test_what_cannot_go_is_refused(
    told: dict[str, str], tmp_path: Path, which: str, field: str, reason: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        redact(settings(tmp_path), told.get(which, "0" * 40), field, reason)


def test_what_is_redacted_already_is_refused(told: dict[str, str], tmp_path: Path) -> None:
    redact(settings(tmp_path), told["reason"], "reason", "Personal data")
    with pytest.raises(Conflict, match="redacted already"):
        redact(settings(tmp_path), commit_now(tmp_path, told, "reason"), "reason", "Again")


def test_the_same_rewriting_without_its_map_is_found(told: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "home" / "checkpoints.jsonl"
    before = file.read_bytes()
    redact(settings(tmp_path), told["reason"], "reason", "Personal data")
    after = file.read_bytes()
    file.write_bytes(before)
    assert any("a commit was edited" in each for each in problems(tmp_path))
    changed = after.replace(b"Personal data", b"Personal whim")
    file.write_bytes(changed)
    assert any("was changed after it was signed" in each for each in problems(tmp_path))


def test_a_map_lets_nothing_else_through(told: dict[str, str], tmp_path: Path) -> None:
    redact(settings(tmp_path), told["reason"], "reason", "Personal data")
    git(tmp_path, "clone", "-q", "--bare", str(tmp_path / "home" / "registry.git"), "clone.git")
    clone = tmp_path / "clone.git"
    assert problems(tmp_path, clone) == []
    commits = history(clone)
    rewrite(clone, [each.replace(b"Nothing to hide", b"Nothing at all") for each in commits])
    assert any(each.startswith("redaction") for each in problems(tmp_path, clone))
    rewrite(clone, [*commits[:2], *commits[3:]])
    assert problems(tmp_path, clone)


@pytest.mark.parametrize("point", ["redaction-signed", "redaction-published"])
def test_a_redaction_that_was_killed_is_finished_or_has_not_been(
    told: dict[str, str], tmp_path: Path, point: str
) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-c", "from muster.cli import main; main()", "redact", told["reason"]]
    command += ["--field", "reason", "--reason", "Personal data", "--home", str(home)]
    environment = {"MUSTER_CRASH_AT": point, "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    died = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert (home / "redaction.jsonl").exists()
    assert problems(tmp_path) == []
    assert not (home / "redaction.jsonl").exists()
    happened = b"muster-redaction-1" in (home / "checkpoints.jsonl").read_bytes()
    assert happened is (point == "redaction-published")
    with open_home(settings(tmp_path)) as opened:
        opened.notary.checkpoint()
    assert problems(tmp_path) == []
