"""What was built on what: the marks that bans and retracted data leave on it, and where it all ran.

What is banned is refused by `domain.banning`. What was made of it, at whatever remove, is
not: it carries a flag that a person has to decide on. Flags are in no record: they are
worked out from the bans and retractions of the moment, so that one that is lifted leaves
nothing behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from muster.domain import codec
from muster.domain.banning import BANS, file_ban_path, version_ban_path
from muster.domain.messages import rfc3339
from muster.domain.records import Json
from muster.domain.retracting import RETRACTIONS, digest_retraction_path, name_retraction_path
from muster.service.origins import Origins, Traced
from muster.service.ports import IndexReads
from muster.service.values import Document, Logged

Sort = Literal["banned", "built-on-banned", "retracted-data"]
HIDDEN: Final = "a version that you cannot see"
_FOLDERS: Final = (BANS, RETRACTIONS)


@dataclass(frozen=True, slots=True)
class Flag:
    """Why somebody should look at a version before it is used.

    `of` is what is banned or retracted, `through` the versions between, the version's own
    base first; `by` is the change that banned or retracted it.
    """

    sort: Sort
    of: str
    through: tuple[str, ...]
    by: Logged

    def view(self) -> dict[str, Json]:
        """The flag as the API shows it."""
        entry = self.by.entry
        return {
            "flag": self.sort,
            "of": self.of,
            "through": list(self.through),
            "reason": entry.reason,
            "by": entry.actor,
            "since": rfc3339(entry.time),
            "commit": self.by.commit,
        }


class Flags:
    """Asks an index; any thread may ask.

    What `seen` does not show is flagged, too, but not named.
    """

    def __init__(self, index: IndexReads, seen: IndexReads | None = None) -> None:
        self._index = index
        self._seen = seen or index

    def of(self, sequences: Collection[int]) -> dict[int, tuple[Flag, ...]]:
        """The flags of those versions that have any."""
        if not sequences or not self._index.has_documents(*_FOLDERS):
            return {}
        bases = self._bases(sequences)
        known = {*sequences, *bases, *(base for each in bases.values() for base in each)}
        traced = self._index.traced(known)
        shown = traced if self._seen is self._index else self._seen.traced(known)
        causes = self._causes(traced)
        if not causes:
            return {}
        found = {each: tuple(_flags(each, bases, causes, _names(traced, shown))) for each in sequences}
        return {each: flags for each, flags in found.items() if flags}

    def _bases(self, sequences: Collection[int]) -> dict[int, list[int]]:
        """The bases of each of the versions, and of these, as far as it goes."""
        found: dict[int, list[int]] = {}
        level = set(sequences)
        while level:
            found |= {each: [] for each in level}
            for version, base in self._index.made_from(level):
                if base not in found[version]:
                    found[version].append(base)
            level = {base for each in level for base in found[each]} - found.keys()
        return found

    def _causes(self, traced: Mapping[int, Traced]) -> dict[int, list[_Cause]]:
        """What is banned or retracted of each version itself."""
        asked = [(each.sequence, *_of_version(each)) for each in traced.values()]
        asked += [
            (version, *cause)
            for version, word, value in self._index.words(traced)
            for cause in _of_word(word, value)
        ]
        documents = self._index.documents_at({path for _, path, _, _ in asked})
        found: dict[int, list[_Cause]] = {}
        for version, path, sort, of in asked:
            if (document := documents.get(path)) is not None:
                found.setdefault(version, []).append(_Cause(path, sort, of, document))
        return found

    # ------------------------------------------------------------ the other way

    def flagged(self) -> dict[int, tuple[Flag, ...]]:
        """Every version that has any flag."""
        if not self._index.has_documents(*_FOLDERS):
            return {}
        return self.of(reached(self._index, dict.fromkeys(self._roots(), 0)).keys())

    def deployed(self) -> list[tuple[Traced, tuple[Flag, ...]]]:
        """Every version with a flag that is deployed anywhere, those that are banned first."""
        flagged = self.flagged()
        traced = self._seen.traced(flagged) if flagged else {}
        there = [(version, flagged[each]) for each, version in traced.items() if version.deployed_in]
        return sorted(there, key=lambda each: (each[1][0].sort != "banned", each[0].sequence))

    def _roots(self) -> set[int]:
        """The versions that are banned, say that their base is, or say data that is retracted."""
        found: set[int] = set()
        for document in (each for folder in _FOLDERS for each in self._index.documents(folder)):
            record = codec.decode(document.record)
            match document.path.split("/")[:2]:
                case ["bans", "versions"]:
                    sequence = self._index.sequence_of(record["model"], record["number"])
                    found.update(() if sequence is None else (sequence,))
                case ["bans", "files"]:
                    found.update(self._index.saying("file", record["sha256"]))
                    found.update(self._index.saying("base-sha256", record["sha256"]))
                case ["retractions", "digests"]:
                    found.update(self._index.saying("data-sha256", record["sha256"]))
                case ["retractions", "names"]:
                    found.update(self._index.saying("data-name", record["name"]))
        return found


@dataclass(frozen=True, slots=True)
class _Cause:
    path: str
    sort: Sort
    of: str
    document: Document


def _of_version(version: Traced) -> tuple[str, Sort, str]:
    return version_ban_path(version.model, version.number), "banned", version.reference


def _of_word(word: str, value: str) -> Iterator[tuple[str, Sort, str]]:
    match word:
        case "file":
            yield file_ban_path(value), "banned", f"sha256:{value}"
        case "base-sha256":
            yield file_ban_path(value), "built-on-banned", f"sha256:{value}"
        case "data-sha256":
            yield digest_retraction_path(value), "retracted-data", f"sha256:{value}"
        case "data-name":
            yield name_retraction_path(value), "retracted-data", value


def _names(traced: Iterable[int], shown: Mapping[int, Traced]) -> dict[int, str]:
    return {each: shown[each].reference if each in shown else HIDDEN for each in traced}


def _flags(
    version: int,
    bases: Mapping[int, list[int]],
    causes: Mapping[int, list[_Cause]],
    names: Mapping[int, str],
) -> Iterator[Flag]:
    """The flags of one version: its own, then those of its bases, the nearest first, each cause once."""
    seen: set[tuple[str, str]] = set()
    ways: dict[int, tuple[str, ...]] = {version: ()}
    for at in _walked(version, bases, ways, names):
        for cause in causes.get(at, ()):
            sort: Sort = "built-on-banned" if at != version and cause.sort == "banned" else cause.sort
            of, by = cause.of, cause.document.by
            if (sort, of) in seen:
                continue
            seen.add((sort, of))
            of_version = cause.path.startswith(f"{BANS}/versions/")
            if names[at] == HIDDEN:
                of = HIDDEN
                by = replace(by, entry=replace(by.entry, reason=""))
            yield Flag(sort, of, ways[at][:-1] if of_version else ways[at], by)


def _walked(
    begin: int,
    bases: Mapping[int, list[int]],
    ways: dict[int, tuple[str, ...]],
    names: Mapping[int, str],
) -> Iterator[int]:
    """The version and what it was made from, the nearest first; `ways` is told through what each."""
    level = [begin]
    while level:
        yield from level
        further: list[int] = []
        for at in level:
            for base in bases.get(at, ()):
                if base not in ways:
                    ways[base] = (*ways[at], names[base])
                    further.append(base)
        level = further


def reached(origins: Origins, begin: Mapping[int, int]) -> dict[int, tuple[int, int | None]]:
    """Every version made of those in `begin`, these too: at which remove, and through which base.

    `begin` says at which remove each of them is itself.
    """
    found: dict[int, tuple[int, int | None]] = {}
    level: dict[int, int | None] = {}
    remove = 0
    while level or any(at >= remove for at in begin.values()):
        level |= {each: None for each, at in begin.items() if at == remove}
        new = {each: through for each, through in level.items() if each not in found}
        found |= {each: (remove, through) for each, through in new.items()}
        level = {version: base for base, version in sorted(origins.made_of(new), reverse=True)} if new else {}
        remove += 1
    return found
