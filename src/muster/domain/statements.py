"""Whether a file of signed statements is whole: every line there, in its place, signed by the key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muster.domain.checkpoints import Checkpoint, Signed, Valid, digest_of, read
from muster.domain.codec import canonical
from muster.domain.errors import Invalid


@dataclass(frozen=True, slots=True)
class Read:
    """What a file of statements came to: those that can be trusted, and what is wrong, a sentence each."""

    statements: tuple[Signed, ...]
    problems: tuple[str, ...]
    lines: tuple[bytes, ...]

    @property
    def last(self) -> Checkpoint | None:
        """The newest checkpoint."""
        found = (each.statement for each in reversed(self.statements))
        return next((each for each in found if isinstance(each, Checkpoint)), None)


def read_all(content: bytes, valid: Valid) -> Read:
    """Read a whole file; a line with a wrong signature says nothing, whatever it says."""
    problems: list[str] = []
    lines = content.split(b"\n")
    rest = lines.pop()
    if rest:
        problems.append(f"line {len(lines) + 1} is cut off: the file ends in the middle of it")
    found, unsigned = [], 0
    before: Signed | None = None
    previous: str | None = None
    for at, line in enumerate(lines, 1):
        try:
            signed = read(line)
        except Invalid as invalid:
            problems.append(f"line {at} is no statement: {invalid.message}")
            before, previous = None, digest_of(line)
            continue
        if not valid(canonical(signed.statement.fields()), signed.signature):
            unsigned += 1
            problems.append(f"line {at} is not signed by this key, or was changed after it was signed")
        else:
            found.append(signed)
        problems += (f"line {at} {said}" for said in _out_of_place(signed, at, before, previous))
        before, previous = signed, digest_of(line)
    if unsigned and not found:
        problems = [f"none of the {unsigned} statements is signed by this key"]
    elif not lines and not rest:
        problems = ["there is no statement in it"]
    return Read(tuple(found), tuple(problems), tuple(lines))


def _out_of_place(signed: Signed, at: int, before: Signed | None, previous: str | None) -> list[str]:
    """Why that line cannot follow the one before; nothing if it can."""
    statement = signed.statement
    if statement.sequence != at:
        return [f"is statement {statement.sequence}: lines are missing, twice there, or moved"]
    if statement.previous != previous:
        return ["does not follow the line before: that was changed, or exchanged, after this one was signed"]
    wrong = []
    if statement.time <= (
        before.statement.time if before else datetime.min.replace(tzinfo=statement.time.tzinfo)
    ):
        wrong.append("says a time that is not after the line before")
    return wrong


def disagreements(copies: Sequence[tuple[str, Read]]) -> list[str]:
    """Where copies of one file, by their names, say different things. A copy may be older: end earlier."""
    wrong = []
    longest = max(copies, key=lambda copy: len(copy[1].lines))
    for name, copy in copies:
        for at, (ours, theirs) in enumerate(zip(copy.lines, longest[1].lines, strict=False), 1):
            if ours != theirs:
                wrong.append(f"{name} and {longest[0]} say different things from line {at} on")
                break
    return wrong
