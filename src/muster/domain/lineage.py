"""Whether a branch is one line of Muster's own commits, and says what signed statements say of it.

Of each commit, from the first one on: its id is the SHA-1 of its bytes, it has one
parent, the commit before; its message is Muster's, and `Muster-Time` is after the one
before. Author and Git's own dates are what the trailers say. What a commit says of the
tree is bound by its id; whether the trees are whole is for `git fsck` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha1
from typing import Final

from muster.domain.checkpoints import Checkpoint, Redaction, Statement
from muster.domain.messages import rfc3339

SHOWN: Final = 100
"""So many problems of one kind are told."""

_HEAD: Final = re.compile(
    rb"tree ([0-9a-f]{40})\n"
    rb"(?:parent ([0-9a-f]{40})\n)?"
    rb"author ([^<>\n]+) <[^<>\n]*> ([0-9]+) \+0000\n"
    rb"committer Muster <muster@localhost> ([0-9]+) \+0000\n\n"
)
_TRAILERS: Final = re.compile(rb"(?:Muster-[A-Z][A-Za-z-]*: [^\n]*\n)+")
_SAID: Final = re.compile(
    rb"^Muster-Actor: ([^\n]+)\n(?:Muster-[^\n]*\n)*?"
    rb"Muster-Time: ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z)$",
    re.MULTILINE,
)


@dataclass(slots=True)
class Lineage:
    """The commits of a branch as they were read: their ids in order, what is wrong with them.

    `times` and `trees` are those of the positions that were asked for.
    """

    ids: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    times: dict[int, str] = field(default_factory=dict)
    trees: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, position: int) -> str | None:
        """The commit at that position; None beyond the end."""
        return self.ids[position - 1] if 0 < position <= len(self.ids) else None


def followed(commits: Iterable[tuple[bytes, bytes]], wanted: Set[int] = frozenset()) -> Lineage:
    """Read (id, content) of every commit of a branch, the first one first."""
    line = Lineage()
    problems, ids = line.problems, line.ids
    parent: bytes | None = None
    last = b""
    for position, (name, content) in enumerate(commits, 1):
        commit = name.decode()
        ids.append(commit)
        if sha1(b"commit %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest() != commit:
            problems.append(f"commit {commit} is not what its id says: its bytes were changed")
        said = _parsed(content)
        if isinstance(said, str):
            problems.append(f"commit {commit} {said}")
        else:
            head, actor, time = said
            if head[2] != parent:
                problems.append(f"commit {commit} {_wrong_parent(parent, head[2])}")
            if time <= last:
                problems.append(
                    f"commit {commit} says {time.decode()}, which is not after the time that its parent says"
                )
            if head[3] != actor:
                problems.append(f"commit {commit} is by another author than its Muster-Actor")
            if not head[4] == head[5] == _seconds(time):
                problems.append(f"commit {commit} has a date that is not its Muster-Time")
            last = time
            if position in wanted:
                line.times[position], line.trees[position] = time.decode(), head[1].decode()
        parent = name
        if len(problems) >= SHOWN:
            break
    return line


def _parsed(content: bytes) -> tuple[re.Match[bytes], bytes, bytes] | str:
    """The commit's head, its actor and time; or why it is none of Muster's."""
    head = _HEAD.match(content)
    if head is None:
        merge = content[:144].count(b"\nparent ") > 1
        return "is a merge, which Muster never makes" if merge else "was not written by Muster"
    block = content[content.rfind(b"\n\n") + 2 :]
    said = _SAID.search(block) if _TRAILERS.fullmatch(block) else None
    if said is None:
        return "was not written by Muster: it does not say who did it and when"
    return head, said[1], said[2]


def _wrong_parent(due: bytes | None, found: bytes | None) -> str:
    if due is None:
        return "is the first one here, but has a parent: the clone is shallow, or its beginning is gone"
    return f"does not follow {due.decode()}: its parent is {found.decode() if found else 'nothing'}"


def _seconds(time: bytes) -> bytes:
    try:
        return b"%d" % int(datetime.fromisoformat(time.decode()).timestamp())
    except ValueError:
        return b""


# ------------------------------------------------------------ statements


def asked_of(statements: Iterable[Statement]) -> frozenset[int]:
    """The positions whose times and trees `disagreements` looks at."""
    at = {each.position for each in statements if isinstance(each, Checkpoint)}
    return frozenset(at | {position + 1 for position in at})


def disagreements(line: Lineage, statements: Sequence[Statement]) -> Iterator[str]:
    """What the branch does not say any more that was signed, a sentence each; nothing if it agrees."""
    redactions = [each for each in statements if isinstance(each, Redaction)]
    agreed = 0
    for statement in statements:
        maps = [each for each in redactions if each.sequence > statement.sequence]
        if isinstance(statement, Redaction):
            yield from _redacted(line, statement, maps)
            continue
        wrong = _checked(line, statement, maps, agreed)
        yield from wrong
        if not wrong:
            agreed = statement.position


def _checked(line: Lineage, signed: Checkpoint, maps: Sequence[Redaction], agreed: int) -> list[str]:
    """What is wrong with the branch by one checkpoint; those before agree up to the position `agreed`."""
    position = signed.position
    try:
        due = _after(signed.commit, position, maps)
    except ValueError as error:
        return [f"{_named(signed)}: {error}"]
    found = line.at(position)
    if found == due:
        wrong = _of_its_time(line, signed, renamed=due != signed.commit)
        return [f"{_named(signed)}: {said}" for said in wrong]
    if found is None:
        said = (
            f"the history has {len(line):,} commits, and had {position:,} then: the last "
            f"{position - len(line):,} were dropped (or this clone is older: fetch, then look again)"
        )
    elif due in line.ids:
        said = (
            f"commit {due} is the {_nth(line.ids.index(due) + 1)}, and was the {_nth(position)}: "
            "commits before it were dropped, put in or moved"
        )
    else:
        said = (
            f"the {_nth(position)} commit is {found}, and was {due}: between the {_nth(agreed + 1)} and the "
            f"{_nth(position)} a commit was edited, dropped, put in or moved after it was signed"
        )
    return [f"{_named(signed)}: {said}"]


def _named(signed: Statement) -> str:
    kind = "checkpoint" if isinstance(signed, Checkpoint) else "redaction"
    return f"{kind} {signed.sequence} of {rfc3339(signed.time)}"


def _of_its_time(line: Lineage, signed: Checkpoint, *, renamed: bool) -> Iterator[str]:
    """What does not fit, of the commit that it names and of the next."""
    position, time = signed.position, rfc3339(signed.time)
    if not renamed and line.trees.get(position, signed.tree) != signed.tree:
        yield f"it says another tree than commit {signed.commit}"
    if line.times.get(position, "") > time:
        yield f"commit {line.at(position)} says a later time, {line.times[position]}"
    if (then := line.times.get(position + 1)) is not None and then < time:
        yield (
            f"commit {line.at(position + 1)} says {then}, but was not there then: it was back-dated "
            "(or the server's clock was set back)"
        )


def _redacted(line: Lineage, signed: Redaction, maps: Sequence[Redaction]) -> Iterator[str]:
    """What is wrong with the branch by the map of a redaction."""
    named = _named(signed)
    for position, commit in enumerate(signed.new, signed.first):
        try:
            due = _after(commit, position, maps)
        except ValueError as error:
            yield f"{named}: {error}"
            return
        if line.at(position) != due:
            yield f"{named}: the {_nth(position)} commit is {line.at(position)}, and became {due}"
            return


def _after(commit: str, position: int, maps: Iterable[Redaction]) -> str:
    """What the id of the commit became by the maps of later redactions.

    Raises:
        ValueError: a map does not go on from it.
    """
    for signed in maps:
        if position < signed.first:
            continue
        if position > signed.last:
            raise ValueError(f"redaction {signed.sequence} leaves out the {_nth(position)} commit, {commit}")
        if signed.old[position - signed.first] != commit:
            raise ValueError(
                f"redaction {signed.sequence} names another {_nth(position)} commit than {commit}"
            )
        commit = signed.new[position - signed.first]
    return commit


def _nth(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
