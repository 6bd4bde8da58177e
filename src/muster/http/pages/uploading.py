"""A browser's upload: the files of a form, as they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from muster.domain import names
from muster.domain.changes import Actor
from muster.domain.errors import MusterError, Unavailable
from muster.domain.records import Artifact
from muster.http.multiparts import Part
from muster.http.pages.forms import TOKEN
from muster.service.registry import Registry

FILE: Final = "file"  # the name of a field: files by their own names
FOLDER: Final = "folder"  # files by their paths, of which the folder chosen is left out
PATH: Final = "path"  # says by which path the next file goes


@dataclass(slots=True)
class Uploaded:
    """What came of an upload: files that are there, and those that were refused, each with why."""

    stored: list[Artifact] = field(default_factory=list)
    refused: list[tuple[str, MusterError]] = field(default_factory=list)


def take(
    found: Iterable[Part],
    check: Callable[[str], None],
    registry: Registry,
    place: tuple[str, int],
    actor: Actor,
) -> Uploaded:
    """Make the files of an upload those of the version at `place`; `check` is given the form's token. Blocks.

    A file that is refused leaves the others alone.

    Raises:
        Denied: by `check`, or no token came before the first file. Nothing was stored.
        Invalid: what came is no form, or ended early; what was whole by then is stored.
    """
    came, checked, path = Uploaded(), False, ""
    for part in found:
        if part.filename is None:
            if part.name == TOKEN:
                check(part.text())
                checked = True
            elif part.name == PATH:
                path = part.text()
            continue
        if not checked:
            check("")
        if not part.filename and not path:
            continue  # a field that nobody chose a file for
        wanted, path = path or _path(part), ""
        try:
            artifact, _ = registry.attach(*place, names.artifact_path(wanted), part.content, actor)
        except MusterError as error:
            came.refused.append((wanted, error))
            if isinstance(error, Unavailable):
                break  # the others would meet the same
        else:
            came.stored.append(artifact)
    return came


def _path(part: Part) -> str:
    """The path of a file whose form said nothing more of it."""
    filename = part.filename or ""
    if part.name == FOLDER:
        return filename.partition("/")[2] or filename
    return filename.rpartition("/")[2]
