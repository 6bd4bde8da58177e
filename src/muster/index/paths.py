"""Which record a path in the repository is; `domain.names` makes these paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from muster.domain.documents import is_document
from muster.domain.lfs import parse_pointer
from muster.domain.messages import Entry
from muster.domain.names import fan
from muster.domain.records import Artifact


@dataclass(slots=True)
class Edits:
    """The edits of one change by what they edit; None says that it goes.

    `model` is the one record that was edited, if any. Keys are a version's
    number, a file's path in its version, an environment's name, a smaller record's path.
    """

    model: bytes | None = None
    versions: dict[int, bytes] = field(default_factory=dict)
    files: dict[int, dict[str, Artifact | None]] = field(default_factory=dict)
    deployments: dict[str, bytes | None] = field(default_factory=dict)
    environments: dict[str, bytes | None] = field(default_factory=dict)
    documents: dict[str, bytes | None] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def folder(model: str) -> str:
    """The fanned-out folder of a model."""
    return fan(model)


def sort(entry: Entry, edits: Mapping[str, bytes | None]) -> Edits:
    """`edits` sorted by what they edit. Names come from `entry`: a path cannot be decoded.

    Raises:
        ValueError: they edit a model that `entry` does not name, or are no Muster paths.
    """
    sorted_out = Edits()
    own = folder(entry.model) if entry.model is not None else None
    before = folder(entry.renamed) if entry.renamed is not None else None
    for path, data in edits.items():
        if is_document(path):
            sorted_out.documents[path] = data
            continue
        match path.split("/"):
            case [*parts] if before is not None and data is None and _is_below(parts, before):
                pass  # of the name that the model had
            case ["models", hh, name, *rest]:
                if f"{hh}/{name}" != own:
                    raise ValueError(f"{path} is not of the model {entry.model!r}")
                _sort_of_model(sorted_out, rest, path, data)
            case ["deployments", environment, *_] if entry.model is None and environment == entry.environment:
                pass  # gone with their environment, whose own record goes in the same change
            case ["deployments", environment, hh, name]:
                if f"{hh}/{name.removesuffix('.json')}" != own:
                    raise ValueError(f"{path} is not of the model {entry.model!r}")
                sorted_out.deployments[environment] = data
            case ["environments", name]:
                sorted_out.environments[name.removesuffix(".json")] = data
    return sorted_out


def parted(entry: Entry, edits: Mapping[str, bytes | None]) -> list[tuple[Entry, Edits]]:
    """`edits` sorted, of a change that moves several models with the entry of each; see `Entry.each`.

    Raises ValueError as `sort`.
    """
    if not entry.moved:
        return [(entry, sort(entry, edits))]
    rest: dict[str, bytes | None] = {}
    parts: dict[str | None, dict[str, bytes | None]] = {folder(each.model): {} for each in entry.moved}
    for path, data in edits.items():
        parts.get(_folder_of(path), rest)[path] = data
    found = [(each, sort(each, parts[folder(str(each.model))])) for each in entry.each]
    return [(entry, sort(entry, rest)), *found]


def _folder_of(path: str) -> str | None:
    """The fanned-out folder of the model that `path` is about."""
    match path.split("/"):
        case ["models", hh, name, _, *_]:
            return f"{hh}/{name}"
        case ["deployments", _, hh, name]:
            return f"{hh}/{name.removesuffix('.json')}"
    return None


def _is_below(parts: list[str], model: str) -> bool:
    """Whether a path is one of the model in that folder."""
    match parts:
        case ["models", hh, name, *_] | ["deployments", _, hh, name]:
            return f"{hh}/{name.removesuffix('.json') if parts[0] == 'deployments' else name}" == model
    return False


def _sort_of_model(sorted_out: Edits, rest: list[str], path: str, data: bytes | None) -> None:
    match rest:
        case ["model.json"] if data is not None:
            sorted_out.model = data
        case ["versions", number, "version.json"] if data is not None:
            sorted_out.versions[int(number)] = data
        case ["versions", number, "files", *parts]:
            inside = "/".join(parts)
            sorted_out.files.setdefault(int(number), {})[inside] = (
                None if data is None else artifact(inside, data)
            )
        case ["card.md"] | ["versions", _, "evaluations", _, "files", _]:
            pass
        case _:
            raise ValueError(f"{path} is no record that can be written or removed")


def artifact(path: str, pointer: bytes) -> Artifact:
    """The artifact at `path` in its version that the pointer's bytes stand for."""
    sha256, size = parse_pointer(pointer)
    return Artifact(path, size, sha256)
