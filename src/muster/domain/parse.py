"""Plain dicts from outside → changes and values, with every problem named at once.

A `Form` takes fields from a dict, collects what is wrong with each, and refuses
fields that nobody asked for: what is sent is recorded exactly or refused clearly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar, cast

from muster.domain import names
from muster.domain.codec import is_number
from muster.domain.errors import NOTHING, Invalid, Problem, shown
from muster.domain.plan import MAX_TAGS
from muster.domain.records import Config, Json

MAX_TEXT = 65_536
MAX_TAG = 100_000
MAX_REASON = 4_000
MAX_DEPTH = 8

T = TypeVar("T")
_MISSING: Final = object()


class Form:
    """The fields of one request. `close` raises `Invalid` if any was wrong or unknown."""

    def __init__(self, body: object, where: str = "") -> None:
        self._where = where
        self._problems: list[Problem] = []
        self._asked: set[str] = set()
        if isinstance(body, Mapping):
            self._body: Mapping[str, object] = body
        else:
            self._body = {}
            self.wrong("", body, "must be a JSON object")

    def wrong(self, field: str, value: object, rule: str) -> None:
        """Note that `field` holds what it may not."""
        self._problems.append(Problem(self._name(field), shown(value), rule))

    def take(self, field: str, parse: Callable[[object, str], T], default: T) -> T:
        """The field as `parse` gives it; `default` if it is absent, null, or wrong."""
        self._asked.add(field)
        value = self._body.get(field)
        if value is None:
            return default
        return self._parsed(field, value, parse, default)

    def need(self, field: str, parse: Callable[[object, str], T], default: T) -> T:
        """Like `take`, but the field must be there."""
        self._asked.add(field)
        value = self._body.get(field, _MISSING)
        if value is _MISSING:
            self._problems.append(Problem(self._name(field), NOTHING, "is required"))
            return default
        return self._parsed(field, value, parse, default)

    def has(self, field: str) -> bool:
        """Whether the field is there, be it null."""
        return field in self._body

    def close(self) -> None:
        """Raise `Invalid` with all problems, unknown fields among them; else do nothing."""
        for field in self._body:
            if field not in self._asked:
                told = str(field)  # an answer must be able to name it, whatever it holds
                self.wrong(
                    told if told.isprintable() and len(told) <= 80 else shown(told),
                    self._body[field],
                    f"is not a field here; there are {', '.join(sorted(self._asked))}",
                )
        if self._problems:
            raise Invalid(self._problems)

    def _name(self, field: str) -> str:
        return f"{self._where}.{field}".strip(".") or "body"

    def _parsed(self, field: str, value: object, parse: Callable[[object, str], T], default: T) -> T:
        try:
            return parse(value, self._name(field))
        except Invalid as invalid:
            self._problems.extend(invalid.problems)
            return default


# ------------------------------------------------------------ values


def text(value: object, field: str, limit: int = MAX_TEXT) -> str:
    """Free text: any characters but NUL and lone surrogates."""
    if not isinstance(value, str):
        raise Invalid.one(field, value, "must be a string")
    if len(value) > limit:
        raise Invalid.one(field, value, f"must be at most {limit:,} characters (it has {len(value):,})")
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise Invalid.one(field, value, "must not hold NUL or lone surrogates")
    return value


def reason(value: object, field: str = "reason") -> str:
    """Why: free text of at most 4,000 characters; white space around it is taken off."""
    kept = text(value, field, MAX_REASON).replace("\r\n", "\n").strip()
    if any(ord(char) < 32 and char not in "\n\t" for char in kept):
        raise Invalid.one(field, value, "must not hold control characters")
    return kept


def message(value: object, field: str = "message") -> str:
    """The words of a note: as a reason, and not empty."""
    kept = reason(value, field)
    if not kept:
        raise Invalid.one(field, value, "must not be empty")
    return kept


def name(value: object, field: str) -> str:
    """A name for people (an owner, a data set): 1 to 256 characters."""
    return names.parse_text(field, value, forbidden="")


def one_of(allowed: Iterable[str]) -> Callable[[object, str], str]:
    """A parser for one of a few words."""
    words = tuple(allowed)

    def parse(value: object, field: str) -> str:
        if value not in words or not isinstance(value, str):
            raise Invalid.one(field, value, f"must be one of {', '.join(words)}")
        return value

    return parse


def boolean(value: object, field: str) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Invalid.one(field, value, "must be true or false")
    return value


def integer(low: int, high: int) -> Callable[[object, str], int]:
    """A parser for a whole number from `low` to `high`."""

    def parse(value: object, field: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Invalid.one(field, value, f"must be a whole number from {low:,} to {high:,}")
        return value

    return parse


def number(value: object, field: str) -> float:
    """A finite number; whole ones within 64 bits."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise Invalid.one(field, value, "must fit into 64 bits")
    if not is_number(value):
        raise Invalid.one(field, value, "must be a finite number")
    return cast(float, value)


def plain(value: object, field: str, depth: int = MAX_DEPTH) -> Json:
    """Any JSON value with at most eight levels."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value, field)
    if isinstance(value, (int, float)):
        return number(value, field)
    if depth == 0:
        raise Invalid.one(field, "…", f"must be at most {MAX_DEPTH} levels deep")
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{field}[{at}]", depth - 1) for at, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            text(key, field, 256): plain(item, f"{field}.{key}", depth - 1) for key, item in value.items()
        }
    raise Invalid.one(field, value, "must be a JSON value")


def mapping(
    parse: Callable[[object, str], T],
    limit: int = MAX_TAGS,
    key_of: Callable[[object, str], str] = name,
) -> Callable[[object, str], dict[str, T]]:
    """A parser for an object whose keys `key_of` and whose values `parse` accepts."""

    def parsed(value: object, field: str) -> dict[str, T]:
        if not isinstance(value, Mapping):
            raise Invalid.one(field, value, "must be a JSON object")
        if len(value) > limit:
            raise Invalid.one(field, f"{len(value)} entries", f"must have at most {limit:,}")
        found: dict[str, T] = {}
        problems: list[Problem] = []
        for key, item in value.items():
            try:
                kept = key_of(key, f"{field} key")
                found[kept] = parse(item, f"{field}.{kept}")
            except Invalid as invalid:
                problems.extend(invalid.problems)
        if problems:
            raise Invalid(problems)
        return found

    return parsed


def sequence(
    parse: Callable[[object, str], T], limit: int = MAX_TAGS
) -> Callable[[object, str], tuple[T, ...]]:
    """A parser for a list of values that `parse` accepts."""

    def parsed(value: object, field: str) -> tuple[T, ...]:
        if not isinstance(value, (list, tuple)):
            raise Invalid.one(field, value, "must be a list")
        if len(value) > limit:
            raise Invalid.one(field, f"{len(value)} entries", f"must have at most {limit:,}")
        found: list[T] = []
        problems: list[Problem] = []
        for at, item in enumerate(value):
            try:
                found.append(parse(item, f"{field}[{at}]"))
            except Invalid as invalid:
                problems.extend(invalid.problems)
        if problems:
            raise Invalid(problems)
        return tuple(found)

    return parsed


def tag(value: object, field: str) -> str:
    """A tag's value: text of at most 100,000 characters, for there are prompts in tags."""
    return text(value, field, MAX_TAG)


tags = mapping(tag)


def tag_updates(value: object, field: str) -> dict[str, str | None]:
    """Tags to set, and with null to remove."""
    return mapping(lambda item, at: None if item is None else tag(item, at))(value, field)


# ------------------------------------------------------------ how a version runs

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SECRET_NAME = re.compile(  # not MAX_TOKENS, not TOKENIZERS_PARALLELISM
    r"(?i)(secret|token(?!s|i[sz])|passw(or)?d|passphrase|credential|private_?key|api_?key|access_?key"
    r"|pgpass|webhook|authorization|(?<![a-z])(auth|bearer|pass|pwd)$)"
)
_SECRET_VALUE = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_|glpat-|hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{16,}"
    r"|xox[abprs]-|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|AIza[0-9A-Za-z_-]{30,}|hooks\.slack\.com/services/|^(?i:bearer|basic) \S{8}"
    r"|[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@"
)
_ADVICE = 'give a reference instead: {"from": "env:NAME"} or {"from": "file:PATH"}'


def _env_value(value: object, field: str) -> Json:
    if isinstance(value, Mapping):
        where = value.get("from")
        if (
            set(value) != {"from"}
            or not isinstance(where, str)
            or not re.fullmatch(r"(env:[A-Za-z_]\w{0,127}|file:/.+)", where)
        ):
            rule = 'must be {"from": "env:NAME"} or {"from": "file:/ABSOLUTE/PATH"}'
            raise Invalid([Problem(field, NOTHING, rule)])  # what it holds may be the secret itself
        return {"from": text(where, field, 4096)}
    kept = text(value, field, 32_768)
    if _SECRET_VALUE.search(kept) or (_SECRET_NAME.search(field.rpartition(".")[2]) and kept):
        rule = f"looks like a credential, and what is recorded can be read for ever; {_ADVICE}"
        raise Invalid([Problem(field, NOTHING, rule)])
    return kept


def _env_name(value: object, field: str) -> str:
    if not isinstance(value, str) or not _ENV_NAME.fullmatch(value):
        raise Invalid.one(field, value, "must be at most 128 letters, digits and '_', no digit first")
    if value.upper().startswith(("LD_", "PYTHON")):
        raise Invalid.one(field, value, "must not be a variable that decides which code a worker runs")
    return value


_env = mapping(_env_value, 200, _env_name)


def _timeout(value: object, field: str) -> float:
    seconds = number(value, field)
    if not 0.1 <= seconds <= 3600:
        raise Invalid.one(field, value, "must be from 0.1 to 3,600 seconds")
    return seconds


def config(value: object, field: str = "config") -> Config:
    """How a version runs: `replicas` 1 to 64, `threads` 1 to 256, `timeout_s`, `env`, `runtime`."""
    form = Form(value, field)
    parsed = Config(
        replicas=form.take("replicas", integer(1, 64), 1),
        threads=form.take("threads", integer(1, 256), 1),
        timeout_s=form.take("timeout_s", _timeout, 30.0),
        env=form.take("env", _env, {}),
        runtime=form.take("runtime", name, None),
    )
    form.close()
    return parsed
