"""A clone and a public key are enough to find every way of rewriting the history that was signed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from muster.auditing import Proven, prove
from muster.bootstrap import Home, open_home
from muster.domain.changes import Actor, RegisterVersion, UpdateModel
from muster.domain.errors import NotFound
from muster.settings import load
from tests.repositories import git
from tests.rewriting import forge_object, history, restamped, rewrite

ADA = Actor("ada")
SIGNED = 9  # commits that a checkpoint covers; one more came later


@dataclass
class Evidence:
    """What an auditor has: the file of checkpoints, the public key, and a bare clone to work on."""

    file: Path
    key: str
    clone: Path

    def problems(self, *, objects: bool = False) -> list[str]:
        return self.proven(objects=objects).problems

    def proven(self, *, objects: bool = False) -> Proven:
        return prove([self.file], self.key, self.clone, "HEAD", objects=objects)


def say(home: Home, words: str) -> None:
    home.registry.submit(UpdateModel("digits", description=words), ADA, f"Say {words}").result()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A home whose history is signed after the 3rd, the 6th and the 9th commit, and has a 10th."""
    path = tmp_path_factory.mktemp("source") / "registry"
    with open_home(load({"home": str(path)}, environment={})) as home:
        home.registry.submit(RegisterVersion("digits", "v1"), ADA, "First").result()
        for at in range(3, SIGNED + 1):
            say(home, f"word {at}")
            if at % 3 == 0:
                home.notary.checkpoint()
        say(home, "more")
        yield path, str(home.notary.signer.public)


@pytest.fixture
def evidence(source: tuple[Path, str], tmp_path: Path) -> Evidence:
    home, key = source
    git(tmp_path, "clone", "-q", "--bare", str(home / "registry.git"), "clone.git")
    file = tmp_path / "checkpoints.jsonl"
    file.write_bytes((home / "checkpoints.jsonl").read_bytes())
    return Evidence(file, key, tmp_path / "clone.git")


def test_an_honest_clone_agrees_and_says_what_is_not_covered_yet(evidence: Evidence) -> None:
    proven = evidence.proven(objects=True)
    assert proven.problems == []
    assert (proven.facts["commits"], proven.facts["covered"], proven.facts["statements"]) == (10, SIGNED, 3)


def test_a_clone_with_a_work_tree_will_do(evidence: Evidence, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "-c", "filter.lfs.required=false", str(evidence.clone), "tree")
    evidence.clone = tmp_path / "tree"
    assert evidence.problems() == []


def test_where_there_is_no_clone_it_is_said(evidence: Evidence, tmp_path: Path) -> None:
    evidence.clone = tmp_path
    with pytest.raises(NotFound, match="Git repository not found"):
        evidence.problems()


Tampering = Callable[[list[bytes]], list[bytes]]


def edited(commits: list[bytes]) -> list[bytes]:
    """The 5th commit gives another reason."""
    return [*commits[:4], commits[4].replace(b"Say word 5", b"Say nothing"), *commits[5:]]


def by_somebody_else(commits: list[bytes]) -> list[bytes]:
    """The 5th commit was by another actor, in all of its places."""
    return [*commits[:4], commits[4].replace(b"ada", b"bob"), *commits[5:]]


def dropped(commits: list[bytes]) -> list[bytes]:
    """The 5th commit is gone."""
    return commits[:4] + commits[5:]


def put_in(commits: list[bytes]) -> list[bytes]:
    """There is one more, between the 5th and the 6th."""
    time = time_of(commits[4])
    return [*commits[:5], restamped(commits[4], time[:-2] + b"9Z", seconds_of(time)), *commits[5:]]


def reordered(commits: list[bytes]) -> list[bytes]:
    """The 4th and 5th have changed places, each with the other's time."""
    a, b = commits[3:5]
    times = time_of(a), time_of(b)
    return [
        *commits[:3],
        restamped(b, times[0], seconds_of(times[0])),
        restamped(a, times[1], seconds_of(times[1])),
        *commits[5:],
    ]


def back_dated(commits: list[bytes]) -> list[bytes]:
    """The 5th says that it was a millionth of a second after the 4th."""
    before = datetime.fromisoformat(time_of(commits[3]).decode())
    time = before.replace(microsecond=(before.microsecond + 1) % 10**6).isoformat(timespec="microseconds")
    stamp = time.removesuffix("+00:00").encode() + b"Z"
    return [*commits[:4], restamped(commits[4], stamp, seconds_of(stamp)), *commits[5:]]


def time_of(commit: bytes) -> bytes:
    found = re.search(rb"Muster-Time: ([^\n]*)", commit)
    assert found
    return found[1]


def seconds_of(time: bytes) -> bytes:
    return b"%d" % int(datetime.fromisoformat(time.decode()).timestamp())


@pytest.mark.parametrize("tampering", [edited, by_somebody_else, dropped, put_in, reordered, back_dated])
def test_a_rewritten_history_is_found_between_two_checkpoints(
    evidence: Evidence, tampering: Tampering
) -> None:
    rewrite(evidence.clone, tampering(history(evidence.clone)))
    problems = [each for each in evidence.problems() if "between the" in each]
    assert "between the 4th and the 6th a commit was edited, dropped, put in or moved" in problems[0]


def test_a_history_whose_end_was_dropped_is_found(evidence: Evidence) -> None:
    rewrite(evidence.clone, history(evidence.clone)[:7])
    [problem] = evidence.problems()
    assert "the history has 7 commits, and had 9 then: the last 2 were dropped" in problem


def test_a_history_that_begins_later_is_found(evidence: Evidence) -> None:
    rewrite(evidence.clone, history(evidence.clone)[1:])
    assert len([each for each in evidence.problems() if each.startswith("checkpoint")]) == 3


def test_a_shallow_clone_proves_nothing(evidence: Evidence, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", "--depth", "8", f"file://{evidence.clone}", "shallow.git")
    evidence.clone = tmp_path / "shallow.git"
    assert "the clone is shallow, or its beginning is gone" in evidence.problems()[0]


def test_a_commit_that_came_after_a_checkpoint_cannot_be_dated_before_it(
    evidence: Evidence, source: tuple[Path, str]
) -> None:
    """The newest commit is not signed yet; its time can move only as far as the checkpoint's."""
    *commits, last = history(evidence.clone)
    head = datetime.fromisoformat(time_of(commits[-1]).decode())
    stamp = head.replace(microsecond=min(head.microsecond + 1, 999_999)).isoformat(timespec="microseconds")
    time = stamp.removesuffix("+00:00").encode() + b"Z"
    rewrite(evidence.clone, [*commits, restamped(last, time, seconds_of(time))])
    [problem] = evidence.problems()
    assert "but was not there then: it was back-dated" in problem


def test_times_that_do_not_rise_are_found_without_a_checkpoint(evidence: Evidence) -> None:
    *commits, last = history(evidence.clone)
    time = time_of(commits[3])
    rewrite(evidence.clone, [*commits, restamped(last, time, seconds_of(time))])
    assert any("is not after the time that its parent says" in each for each in evidence.problems())


def test_what_muster_did_not_write_is_found(evidence: Evidence) -> None:
    *commits, last = history(evidence.clone)
    time = time_of(last)
    for content, said in (
        (last.replace(b"author ada", b"author bob"), "is by another author than its Muster-Actor"),
        (restamped(last, time, b"1"), "has a date that is not its Muster-Time"),
        (last.replace(b"committer Muster", b"committer Somebody"), "was not written by Muster"),
        (last.replace(b"Muster-Time", b"Muster-Then"), "it does not say who did it and when"),
        (last.rstrip(b"\n") + b"\nSigned-off-by: x\n", "it does not say who did it and when"),
    ):
        rewrite(evidence.clone, [*commits, content])
        [problem] = evidence.problems()
        assert said in problem


def test_a_merge_is_found(evidence: Evidence) -> None:
    head = git(evidence.clone, "rev-parse", "HEAD").decode().strip()
    last = history(evidence.clone)[-1]
    merge = last.replace(b"\nauthor", f"\nparent {head}\nauthor".encode(), 1)
    made = git(evidence.clone, "hash-object", "-t", "commit", "-w", "--stdin", given=merge).decode().strip()
    git(evidence.clone, "update-ref", "--no-deref", "HEAD", made)
    assert any("is a merge, which Muster never makes" in each for each in evidence.problems())


def test_bytes_that_were_changed_under_an_id_are_found(evidence: Evidence) -> None:
    names = git(evidence.clone, "rev-list", "--reverse", "HEAD").decode().split()
    content = git(evidence.clone, "cat-file", "commit", names[4]).replace(b"word 5", b"word 6")
    forge_object(evidence.clone, names[4], content)
    problems = evidence.problems()
    assert any(names[4] in each for each in problems)


def test_a_record_that_was_changed_under_its_id_is_found_with_objects(evidence: Evidence) -> None:
    listed = git(evidence.clone, "ls-tree", "-r", "HEAD").decode().splitlines()
    [blob] = [line.split()[2] for line in listed if line.endswith("/model.json")]
    content = git(evidence.clone, "cat-file", "blob", blob).replace(b"more", b"less")
    forge_object(evidence.clone, blob, content, "blob")
    assert any(blob in each for each in evidence.problems(objects=True))


def test_a_commit_that_is_missing_is_found(evidence: Evidence) -> None:
    names = git(evidence.clone, "rev-list", "--reverse", "HEAD").decode().split()
    forge_object(evidence.clone, names[4], b"")
    (evidence.clone / "objects" / names[4][:2] / names[4][2:]).unlink()
    assert any("cannot be read to its beginning" in each for each in evidence.problems())


def test_checkpoints_signed_with_another_key_prove_nothing(evidence: Evidence, tmp_path: Path) -> None:
    from muster.proof.keys import KeyFile

    evidence.key = str(KeyFile(tmp_path / "key.pem").public)
    assert evidence.problems() == ["none of the 3 statements is signed by this key"]


def test_a_copy_that_somebody_else_keeps_shows_that_the_file_was_cut(
    evidence: Evidence, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.jsonl"
    whole.write_bytes(evidence.file.read_bytes())
    evidence.file.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:1]))
    rewrite(evidence.clone, edited(history(evidence.clone)))
    assert evidence.problems() == []
    assert prove([evidence.file, whole], evidence.key, evidence.clone, "HEAD", objects=False).problems
