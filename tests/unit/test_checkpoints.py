"""Signed statements: what is written is read, nothing else is; a file is whole or says where not."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.checkpoints import Checkpoint, Redaction, Signed, Statement, digest_of, read
from muster.domain.codec import canonical
from muster.domain.errors import Invalid, Unavailable
from muster.domain.statements import Read, disagreements, read_all
from muster.proof.keys import KeyFile, PublicKey

WHEN = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
COMMIT, TREE = "3f" * 20, "9c" * 20

ids = st.binary(min_size=20, max_size=20).map(bytes.hex)
times = st.datetimes(timezones=st.just(UTC))
previous = st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex)
positive = st.integers(1, 2**53 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
checkpoints = st.builds(Checkpoint, positive, previous, times, ids, ids, positive)


@st.composite
def redactions(draw: st.DrawFn) -> Redaction:
    first = draw(st.integers(1, 10**9))
    pairs = draw(st.lists(st.tuples(ids, ids), min_size=1, max_size=5))
    where = st.integers(first, first + len(pairs) - 1)
    redacted = tuple(draw(st.lists(where, min_size=1, max_size=3)))
    old, new = zip(*pairs, strict=True)
    about = draw(st.tuples(texts, texts, texts))
    return Redaction(draw(positive), draw(previous), draw(times), *about, first, redacted, old, new)


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "secrets" / "key.pem")


def file_of(key: KeyFile, count: int = 5) -> list[bytes]:
    """The lines of a file of that many checkpoints, an hour apart."""
    lines: list[bytes] = []
    for at in range(1, count + 1):
        statement = Checkpoint(
            at, digest_of(lines[-1]) if lines else None, WHEN + timedelta(hours=at), COMMIT, TREE, at * 10
        )
        lines.append(signed(key, statement).line)
    return lines


def signed(key: KeyFile, statement: Statement) -> Signed:
    return Signed(statement, key.sign(canonical(statement.fields())))


def wrong(key: KeyFile, lines: list[bytes]) -> tuple[str, ...]:
    return read_all(b"".join(line + b"\n" for line in lines), key.public.valid).problems


@given(checkpoints | redactions(), st.binary(min_size=64, max_size=64))
def test_what_is_written_is_read(statement: Statement, signature: bytes) -> None:
    line = Signed(statement, signature).line
    assert read(line) == Signed(statement, signature)
    assert b"\n" not in line


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("format", "muster-checkpoint-2", "must be muster-checkpoint-1 or muster-redaction-1"),
        ("sequence", 0, "must be a whole number from 1"),
        ("sequence", True, "must be a whole number from 1"),
        ("position", -1, "must be a whole number from 1"),
        ("commit", "3F" * 20, "must be 40 hex digits"),
        ("tree", None, "must be 40 hex digits"),
        ("previous", "abc", "must be 64 hex digits"),
        ("time", "2026-01-02T03:04:05Z", "must be an RFC 3339 time in UTC with microseconds"),
        ("time", "2026-01-02T03:04:05.000006+00:00", "must be an RFC 3339 time in UTC"),
        ("time", 5, "must be an RFC 3339 time"),
        ("signature", "AAAA", "must be 64 bytes in base64"),
        ("signature", None, "must be 64 bytes in base64"),
        ("more", 1, "is not a field here"),
    ],
)
def test_what_is_no_statement_is_refused_with_its_field(field: str, value: object, rule: str) -> None:
    fields = Signed(Checkpoint(1, None, WHEN, COMMIT, TREE, 7), bytes(64)).view()
    with pytest.raises(Invalid, match=f"^{field}: {rule}"):
        read(canonical({**fields, field: value}))


def test_a_statement_is_written_in_one_way_only() -> None:
    line = Signed(Checkpoint(1, None, WHEN, COMMIT, TREE, 7), bytes(64)).line
    without = {key: value for key, value in json.loads(line).items() if key != "previous"}
    for other in (
        line.replace(b'":', b'": ', 1),
        line.replace(b'"commit"', b'"c\\u006fmmit"'),
        json.dumps(dict(reversed(json.loads(line).items())), separators=(",", ":")).encode(),
        line[:-1] + b',"tree":"' + TREE.encode() + b'"}',
        canonical(without),
        b'{"signature":"' + base64.b64encode(bytes(64)) + b'","x":"\\ud800"}',
        b"[]",
        b"[" * 100_000,
        b"\xff",
    ):
        with pytest.raises(Invalid):
            read(other)


def test_the_map_of_a_redaction_names_as_many_commits_before_as_after() -> None:
    statement = Redaction(
        1, None, WHEN, "ada", "A name", "reason", 5, (5,), ("1" * 40, "2" * 40), ("3" * 40,)
    )
    with pytest.raises(Invalid, match="must hold as many ids as old, 2"):
        read(Signed(statement, bytes(64)).line)
    with pytest.raises(Invalid, match="must be positions from 5 to 6"):
        read(Signed(replace(statement, new=statement.old, redacted=(7,)), bytes(64)).line)


# ------------------------------------------------------------ files of them


def test_a_whole_file_has_nothing_wrong(key: KeyFile) -> None:
    assert wrong(key, file_of(key)) == ()


def test_a_file_that_is_cut_in_a_line_says_where(key: KeyFile) -> None:
    content = b"\n".join(file_of(key)) + b"\n"
    for cut in (1, 20, len(content) - 1):
        [problem] = [p for p in read_all(content[:cut], key.public.valid).problems if "cut off" in p]
        assert problem.startswith(f"line {content[:cut].count(10) + 1} is cut off")


def test_a_line_that_is_missing_is_found(key: KeyFile) -> None:
    lines = file_of(key)
    assert wrong(key, lines[1:])[0].startswith("line 1 is statement 2: lines are missing")
    assert wrong(key, lines[:2] + lines[3:])[0].startswith("line 3 is statement 4: lines are missing")


def test_lines_in_another_order_are_found(key: KeyFile) -> None:
    a, b, *rest = file_of(key)
    assert any("moved" in problem for problem in wrong(key, [b, a, *rest]))
    assert any("twice there" in problem for problem in wrong(key, [a, a, b, *rest]))


def test_an_edited_line_is_found_whatever_was_edited(key: KeyFile) -> None:
    lines = file_of(key)
    for field, value in (("commit", "00" * 20), ("position", 21), ("time", "2026-01-02T05:04:05.000007Z")):
        edited = canonical({**json.loads(lines[1]), field: value})
        found = wrong(key, [lines[0], edited, *lines[2:]])
        assert found[0] == "line 2 is not signed by this key, or was changed after it was signed"
        assert found[1].startswith("line 3 does not follow the line before")


def test_a_line_that_somebody_else_signed_is_found(key: KeyFile, tmp_path: Path) -> None:
    theirs = KeyFile(tmp_path / "theirs.pem")
    lines = file_of(key)
    assert wrong(key, [*lines[:4], file_of(theirs)[4]])[0].startswith("line 5 is not signed by this key")
    assert wrong(theirs, lines) == ("none of the 5 statements is signed by this key",)


def test_a_file_with_nothing_in_it_proves_nothing(key: KeyFile) -> None:
    assert wrong(key, []) == ("there is no statement in it",)


def test_copies_may_be_older_but_never_say_something_else(key: KeyFile) -> None:
    lines = file_of(key)
    other = signed(
        key, Checkpoint(3, digest_of(lines[1]), WHEN + timedelta(hours=3), "0" * 40, TREE, 30)
    ).line
    whole, older, forked = (
        ("whole", reading(key, lines)),
        ("older", reading(key, lines[:2])),
        ("forked", reading(key, [*lines[:2], other])),
    )
    assert disagreements([whole, older]) == []
    assert disagreements([older, whole, forked]) == ["forked and whole say different things from line 3 on"]


def reading(key: KeyFile, lines: list[bytes]) -> Read:
    return read_all(b"".join(line + b"\n" for line in lines), key.public.valid)


# ------------------------------------------------------------ keys


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key.pem"
    made = str(KeyFile(path).public)
    assert str(KeyFile(path).public) == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["key.pem"]


def test_a_public_key_is_passed_on_as_a_word_or_as_pem(key: KeyFile, tmp_path: Path) -> None:
    public = key.public
    (tmp_path / "word").write_text(f"{public}\n")
    (tmp_path / "pem").write_text(public.pem)
    load_pem_public_key(public.pem.encode())
    for given_ in (str(public), public.pem, str(tmp_path / "word"), str(tmp_path / "pem")):
        found = PublicKey.found(given_)
        assert found.valid(b"content", key.sign(b"content"))
        assert not found.valid(b"Content", key.sign(b"content"))


@pytest.mark.parametrize("text", ["ed25519:AAAA", "ed25519:?", "nothing.pem", "-----BEGIN PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="must be an Ed25519 public key"):
        PublicKey.found(text)


def test_a_damaged_private_key_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("something")
    with pytest.raises(Unavailable, match="holds no Ed25519 private key"):
        KeyFile(path).sign(b"")
    assert path.read_text() == "something"
