"""Names, as types that cannot hold a bad one, and how they become paths.

Each type is made once, at the edge, and raises `Invalid` naming the field, the
value and the rule; past that point nobody checks again. Accepted names are kept
exactly: no trimming, no case folding, no Unicode normalisation.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from muster.domain.errors import Conflict, Invalid

MAX_NAME = 256
MAX_PATH = 1024
_MAX_SEGMENT = 200  # bytes of an encoded segment before it is cut

_HEX40 = re.compile(r"[0-9a-f]{40}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_ACTOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")
_WINDOWS = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE)
# What HFS+ overlooks in a name, and `git fsck` with it: `.g<ZWNJ>it` is `.git` there.
_OVERLOOKED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def _bad_character(text: str) -> str | None:
    """The first character that no name may hold, described; else None."""
    for char in text:
        category = unicodedata.category(char)
        if category in ("Cc", "Cs", "Zl", "Zp") or char in _BIDI:
            return f"U+{ord(char):04X}"
    return None


def parse_text(field: str, value: object, *, forbidden: str, limit: int = MAX_NAME) -> str:
    """`value` if it is a name: 1 to `limit` characters, no control characters, none of `forbidden`.

    Raises:
        Invalid: naming `field`.
    """
    if not isinstance(value, str):
        raise Invalid.one(field, value, "must be a string")
    if not value:
        raise Invalid.one(field, value, "must not be empty")
    if len(value) > limit:
        raise Invalid.one(field, value, f"must be at most {limit} characters (it has {len(value)})")
    if (bad := _bad_character(value)) is not None:
        raise Invalid.one(field, value, f"must not hold control or direction characters ({bad})")
    for char in forbidden:
        if char in value:
            raise Invalid.one(field, value, f"must not hold {char!r}")
    if value != value.strip():
        raise Invalid.one(field, value, "must not begin or end with white space")
    if value in (".", ".."):
        raise Invalid.one(field, value, "must not be '.' or '..'")
    return value


def model_name(value: object, field: str = "name") -> str:
    """A model's name: 1 to 256 characters, no `/`, no control characters."""
    return parse_text(field, value, forbidden="/")


def version_label(value: object, field: str = "version") -> str:
    """A version's label, such as `v1.0`: 1 to 256 characters, no `/`, `@` or `:`."""
    return parse_text(field, value, forbidden="/@:")


def alias_name(value: object, field: str = "alias") -> str:
    """An alias such as `champion`: 1 to 256 characters, no `/`, `@` or `:`."""
    return parse_text(field, value, forbidden="/@:")


def environment_name(value: object, field: str = "environment") -> str:
    """An environment's name: lower-case letters, digits, `-` and `_`, at most 63, a letter first."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", value):
        raise Invalid.one(
            field,
            value,
            "must be 1 to 63 of a-z, 0-9, '-' and '_', beginning with a letter",
        )
    if _WINDOWS.fullmatch(value):
        raise Invalid.one(field, value, "must not be a name that Windows reserves")
    return value


def actor_id(value: object, field: str = "actor") -> str:
    """An actor's stable id: 1 to 128 of letters, digits and `._@+-`, a letter or digit first."""
    if not isinstance(value, str) or not _ACTOR.fullmatch(value):
        raise Invalid.one(
            field,
            value,
            "must be 1 to 128 of letters, digits and . _ @ + -, beginning with a letter or digit",
        )
    return value


def digest(value: object, field: str = "sha256") -> str:
    """A sha256 as 64 lower-case hex digits; a leading `sha256:` is taken off."""
    text = value.removeprefix("sha256:").lower() if isinstance(value, str) else ""
    if not _HEX64.fullmatch(text):
        raise Invalid.one(field, value, "must be a sha256: 64 hex digits")
    return text


def commit_id(value: object, field: str = "commit") -> str:
    """A Git commit id: 40 lower-case hex digits."""
    if not isinstance(value, str) or not _HEX40.fullmatch(value):
        raise Invalid.one(field, value, "must be a commit id: 40 hex digits")
    return value


def artifact_path(value: object, field: str = "path") -> str:
    """A file's path inside its version: relative, `/` between components.

    At most 1,024 characters; components of 1 to 255 bytes, none of them `.`, `..`
    or beginning with `.git` in any case, none with a backslash, a control
    character or what Windows cannot name, so that any clone can hold it.
    """
    if not isinstance(value, str) or not value:
        raise Invalid.one(field, value, "must be a relative path")
    if len(value) > MAX_PATH:
        raise Invalid.one(field, value, f"must be at most {MAX_PATH} characters (it has {len(value)})")
    if (bad := _bad_character(value)) is not None:
        raise Invalid.one(field, value, f"must not hold control or direction characters ({bad})")
    if "\\" in value:
        raise Invalid.one(field, value, "must not hold a backslash")
    for part in value.split("/"):
        if part in ("", ".", ".."):
            raise Invalid.one(field, value, "must be relative, without empty, '.' or '..' components")
        if len(part.encode()) > 255:
            raise Invalid.one(field, value, "must have components of at most 255 bytes")
        seen = unicodedata.normalize("NFKC", _OVERLOOKED.sub("", part)).lower()
        if seen.startswith((".git", "git~")):
            raise Invalid.one(field, value, "must not have a component that begins with '.git'")
        if part.endswith((".", " ")) or set(part) & set('<>:"|?*') or _WINDOWS.fullmatch(part):
            raise Invalid.one(field, value, "must not have a component that Windows cannot name")
    return value


def check_together(paths: Iterable[str]) -> None:
    """Refuse paths that not every clone can hold beside each other.

    Raises:
        Conflict: two differ by case or accents' coding alone, or one would be file and folder at once.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = unicodedata.normalize("NFC", path).casefold()
        if (there := files.get(folded)) is not None:
            raise Conflict(
                f"{path!r} and {there!r} differ by case or accents' coding alone, "
                "which not every clone can hold"
            )
        parts = folded.split("/")
        above = ["/".join(parts[:at]) for at in range(1, len(parts))]
        beside = folders.get(folded) or next((files[each] for each in above if each in files), None)
        if beside is not None:
            raise Conflict(f"{path!r} cannot be beside {beside!r}: one would be file and folder at once")
        files[folded] = path
        folders |= dict.fromkeys(above, path)


def segment(name: str) -> str:
    """`name` as one path component, the same on every file system.

    `[a-z0-9._-]` stay; every other byte of its UTF-8, capitals too, is
    percent-encoded, as are a leading or trailing dot and the first letter of a
    name that Windows reserves. What is longer than 200 bytes is cut and gets `~`
    and 16 hex digits of the name's sha256. Not meant to be decoded: the record
    holds the exact name.
    """
    raw = name.encode()
    reserved = _WINDOWS.fullmatch(name) is not None
    out = []
    for at, byte in enumerate(raw):
        dot_at_end = byte == 0x2E and at in (0, len(raw) - 1)
        keep = byte in _PLAIN and not dot_at_end and not (reserved and at == 0)
        out.append(chr(byte) if keep else f"%{byte:02X}")
    text = "".join(out)
    if len(text) <= _MAX_SEGMENT:
        return text
    return f"{text[: _MAX_SEGMENT - 17]}~{hashlib.sha256(raw).hexdigest()[:16]}"


@lru_cache(maxsize=4096)
def fan(name: str) -> str:
    """`<hh>/<segment>`: the fanned-out folder of a model; `hh` is from the name's sha256."""
    return f"{hashlib.sha256(name.encode()).hexdigest()[:2]}/{segment(name)}"


def model_folder(model: str) -> str:
    """The folder of a model in the repository."""
    return f"models/{fan(model)}"


def model_path(model: str) -> str:
    """The model's record in the repository."""
    return f"models/{fan(model)}/model.json"


def access_path(model: str) -> str:
    """Who has which role on the model."""
    return f"models/{fan(model)}/access.json"


def evaluations_folder(model: str, number: int) -> str:
    """The folder of what was measured of a version."""
    return f"models/{fan(model)}/versions/{number}/evaluations"


def evaluation_path(model: str, number: int, at: int) -> str:
    """The record of the version's evaluation number `at`."""
    return f"{evaluations_folder(model, number)}/{at}.json"


def report_path(model: str, number: int, at: int, report: str) -> str:
    """The LFS pointer of the report that came with an evaluation."""
    return f"{evaluations_folder(model, number)}/{at}/files/{report}"


def card_path(model: str) -> str:
    """The model's card (Markdown) in the repository."""
    return f"models/{fan(model)}/card.md"


def version_path(model: str, number: int) -> str:
    """The version's record in the repository."""
    return f"models/{fan(model)}/versions/{number}/version.json"


def file_path(model: str, number: int, path: str) -> str:
    """The LFS pointer of a version's file in the repository; `path` stays as it is."""
    return f"models/{fan(model)}/versions/{number}/files/{path}"


def deployment_path(environment: str, model: str) -> str:
    """The deployment's record in the repository."""
    return f"deployments/{environment}/{fan(model)}.json"


def environment_path(environment: str) -> str:
    """The environment's record in the repository."""
    return f"environments/{environment}.json"


def model_id(name: str, label: str | None, number: int) -> str:
    """The short reference of the plain API: `name_label`, or `name@number` without a label."""
    return f"{name}@{number}" if label is None else f"{name}_{label}"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a person typed to name a version: `by` says how it was written.

    `by` is `version` (`name/v1.0`, `name/3`), `alias` (`name@champion`) or
    `deployed` (`name:production`). A text without such a sign can only be a
    model id, and a model id may hold any sign: try it as one first.
    """

    model: str
    by: str
    what: str

    @classmethod
    def parse(cls, text: str) -> Reference | None:
        """Split `text` at its last `/`, `@` or `:`; None if it has none with text on both sides."""
        at = max(text.rfind("/"), text.rfind("@"), text.rfind(":"))
        if at <= 0 or at == len(text) - 1:
            return None
        by = {"/": "version", "@": "alias", ":": "deployed"}[text[at]]
        return cls(text[:at], by, text[at + 1 :])
