"""MLflow's filters, orders and page tokens → typed conditions, orders and places.

Source: mlflow 3.18, `mlflow/utils/search_utils.py`. The grammar is

    condition (AND condition)*        condition: left operator right

with `=`, `!=`, `<`, `<=`, `>`, `>=`, `LIKE`, `ILIKE`, `IN (…)`, `NOT IN (…)`. A left side
is an attribute or `tags.` and a key, which may be in backticks or double quotes; a right
side is quoted text without escapes, a list of such, or (for a version's number) a whole
number. There is no OR, no NOT, and there are no parentheses around conditions.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import msgspec
from lark import Lark, Token, Transformer
from lark.exceptions import LarkError

from muster.dialects.mlflow_shapes import IS_PROMPT
from muster.domain.errors import Invalid
from muster.service.searching import Compared, Condition, Operator, Order, Tagged, Untagged

MAX_FILTER: Final = 200_000  # characters
MAX_CONDITIONS: Final = 50
MAX_PATTERN: Final = 5_000  # characters of a LIKE: beyond 50,000 bytes SQLite refuses
MAX_LIST: Final = 1_000  # texts of an IN

_GRAMMAR: Final = r"""
    start: [condition (_AND condition)*]
    condition: LEFT operator right
    operator: COMPARED | LIKE | ILIKE | IN | NOT IN
    ?right: quoted | NUMBER | list
    quoted: SINGLE | DOUBLE
    list: "(" quoted ("," quoted)* [","] ")"

    LEFT: /[^\s=!<>'"`(),;]+(`[^`]+`|"[^"]+")?|`[^`]+`/
    COMPARED: "!=" | "<=" | ">=" | "=" | "<" | ">"
    LIKE: /like\b/i
    ILIKE: /ilike\b/i
    IN: /in\b/i
    NOT: /not\b/i
    _AND: /and\b/i
    SINGLE: /'[^']*'/
    DOUBLE: /"[^"]*"/
    NUMBER: /[+-]?[0-9]+(\.[0-9]+)?/
    %ignore /\s+/
"""

_COMPARED: Final = frozenset({"=", "!=", "like", "ilike"})
_LISTED: Final = frozenset({"in", "not in"})
_NUMBERED: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
_LEFT: Final = re.compile(r"(?:(?P<kind>attributes?|attr|tags?)\.)?(?P<key>.+)", re.DOTALL)
_ORDER: Final = re.compile(
    r"\s*(?:attributes?\.)?(?P<quote>`?)(?P<key>\w+)(?P=quote)(?:\s+(?P<way>asc|desc))?\s*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one of the two searches knows: attributes with their operators, orders, and what breaks ties."""

    attributes: Mapping[str, tuple[str, frozenset[str]]]
    orders: Mapping[str, str]
    ties: tuple[Order, ...]
    default: tuple[Order, ...] = ()


MODELS: Final = Dialect(
    {"name": ("name", _COMPARED | _LISTED)},
    {"name": "name", "timestamp": "last_updated", "last_updated_timestamp": "last_updated"},
    (Order("name"),),
)
VERSIONS: Final = Dialect(
    {
        "name": ("name", _COMPARED | _LISTED),
        "run_id": ("run_id", _COMPARED | _LISTED),
        "source_path": ("uri", _COMPARED),
        "version_number": ("number", _NUMBERED),
    },
    {
        "name": "name",
        "version_number": "number",
        "creation_timestamp": "created_at",
        "last_updated_timestamp": "last_updated",
    },
    (Order("name"), Order("number", descending=True)),
    (Order("last_updated", descending=True),),
)


# ------------------------------------------------------------ filters


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A condition as it was written: the right side is a text, a number, or a tuple of texts."""

    left: str
    operator: str
    right: str | float | tuple[str, ...]


class _Reading(Transformer[Token, list[_Parsed]]):
    """The tree of a filter → its conditions."""

    def start(self, conditions: list[_Parsed | None]) -> list[_Parsed]:
        return [each for each in conditions if each is not None]

    def condition(self, parts: list[object]) -> _Parsed:
        left, operator, right = parts
        if isinstance(right, Token):
            right = _number(str(right))
        return _Parsed(str(left), str(operator), cast(str | float | tuple[str, ...], right))

    def operator(self, words: list[Token]) -> str:
        return " ".join(word.lower() for word in words)

    def quoted(self, texts: list[Token]) -> str:
        return str(texts[0][1:-1])

    def list(self, texts: list[str | None]) -> tuple[str, ...]:
        return tuple(text for text in texts if text is not None)


def _number(written: str) -> float:
    """A whole number within the 64 bits that SQLite takes, no version's being so large; or a fraction."""
    return float(written) if "." in written else max(-(2**62), min(int(written[:20]), 2**62))


_parser: Final = Lark(_GRAMMAR, parser="lalr")


def conditions(text: str, dialect: Dialect) -> list[Condition]:
    """What a filter asks for; an empty one for everything that is no prompt.

    Raises:
        Invalid: it is no filter, or compares what this search does not know.
    """
    if len(text) > MAX_FILTER:
        raise Invalid.one("filter", text, f"must be at most {MAX_FILTER:,} characters")
    try:
        tree = _parser.parse(text)
    except LarkError as error:
        at = getattr(error, "pos_in_stream", None)
        place = f" (near character {at + 1})" if isinstance(at, int) and at >= 0 else ""
        raise Invalid.one("filter", text, f"must be conditions joined by AND{place}") from None
    parsed = _read(tree)
    if len(parsed) > MAX_CONDITIONS:
        raise Invalid.one("filter", text, f"must have at most {MAX_CONDITIONS} conditions")
    return _without_prompts([_condition(each, dialect) for each in parsed])


def _read(tree: object) -> list[_Parsed]:
    return _Reading().transform(tree)  # type: ignore[arg-type]


def _condition(parsed: _Parsed, dialect: Dialect) -> Condition:
    left = _LEFT.fullmatch(parsed.left)
    assert left is not None
    key = re.sub(r"^([`\"])(.*)\1$", r"\2", left["key"], flags=re.DOTALL)
    _check_pattern(parsed)
    if left["kind"] in ("tag", "tags"):
        if parsed.operator not in _COMPARED or not isinstance(parsed.right, str):
            raise Invalid.one(
                "filter", parsed.left, f"must be compared by {_words(_COMPARED)} with quoted text"
            )
        return Tagged(key, cast(Operator, parsed.operator), parsed.right)
    if key not in dialect.attributes:
        raise Invalid.one(
            "filter", parsed.left, f"must be tags.KEY or one of {', '.join(dialect.attributes)}"
        )
    field, operators = dialect.attributes[key]
    if parsed.operator not in operators:
        raise Invalid.one("filter", parsed.operator, f"must be one of {_words(operators)} for {key}")
    wanted = int if field == "number" else tuple if parsed.operator in _LISTED else str
    if not isinstance(parsed.right, wanted):
        kind = {int: "a whole number", tuple: "a list of quoted texts", str: "quoted text"}[wanted]
        raise Invalid.one("filter", parsed.right, f"must be {kind} for {key}")
    return Compared(field, cast(Operator, parsed.operator), parsed.right)


def _words(operators: frozenset[str]) -> str:
    return ", ".join(sorted(each.upper() for each in operators))


def _check_pattern(parsed: _Parsed) -> None:
    if parsed.operator in ("like", "ilike") and len(str(parsed.right)) > MAX_PATTERN:
        raise Invalid.one("filter", parsed.right, f"must be a pattern of at most {MAX_PATTERN:,} characters")
    if isinstance(parsed.right, tuple) and len(parsed.right) > MAX_LIST:
        raise Invalid.one("filter", parsed.left, f"must be compared with at most {MAX_LIST:,} texts")
    if "\0" in f"{parsed.left}{parsed.right}":
        raise Invalid.one("filter", parsed.left, "must not be compared with NUL")


def _without_prompts(found: list[Condition]) -> list[Condition]:
    """Prompts are models with a tag, and left out unless the filter asks for them.

    `= 'false'` and `!= 'true'` hold for models without the tag, as no other condition does.
    """
    kept: list[Condition] = []
    prompts = False
    for each in found:
        if not isinstance(each, Tagged) or each.key != IS_PROMPT:
            kept.append(each)
            continue
        match each.operator, str(each.operand).lower():
            case ("=", "true") | ("!=", "false"):
                prompts = True
                kept.append(Tagged(IS_PROMPT, "ilike", "true"))
            case ("=", "false") | ("!=", "true"):
                kept.append(Untagged(IS_PROMPT, "true"))
            case _:
                kept.append(each)
    return kept if prompts else [*kept, Untagged(IS_PROMPT, "true")]


# ------------------------------------------------------------ orders


def order(given: Sequence[str], dialect: Dialect) -> tuple[Order, ...]:
    """The order asked for, with what breaks its ties.

    Raises:
        Invalid: a key is not known, or comes twice.
    """
    found: list[Order] = []
    for text in given:
        parsed = _ORDER.fullmatch(text)
        field = dialect.orders.get(parsed["key"]) if parsed else None
        if parsed is None or field is None:
            keys = ", ".join(dialect.orders)
            raise Invalid.one(
                "order_by", text, f"must be one of {keys}, with ASC or DESC after it or nothing"
            )
        if any(each.field == field for each in found):
            raise Invalid.one("order_by", text, "must not name a key twice")
        found.append(Order(field, (parsed["way"] or "").lower() == "desc"))
    found = found or list(dialect.default)
    there = {each.field for each in found}
    return (*found, *(tie for tie in dialect.ties if tie.field not in there))


# ------------------------------------------------------------ page tokens


class _Place(msgspec.Struct):
    """What a token of ours holds: the order it is of, and the keys of the last row that was given."""

    order: str
    after: list[str | int]


class _Offset(msgspec.Struct):
    """What a token of MLflow's own server holds; scripts make them, too."""

    offset: int


def token(place: Sequence[str | int], order: Sequence[Order]) -> str:
    """What a client gives back to go on after `place`."""
    content = msgspec.json.encode(_Place(_written(order), list(place)))
    return base64.urlsafe_b64encode(content).decode()


def place(text: str, order: Sequence[Order]) -> tuple[tuple[str | int, ...] | None, int]:
    """The place that a token stands for, and how many rows to leave out after it.

    Raises:
        Invalid: it is no token, or one of another order.
    """
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        try:
            offset = msgspec.json.decode(content, type=_Offset).offset
        except msgspec.ValidationError:
            found = msgspec.json.decode(content, type=_Place)
        else:
            if not 0 <= offset < 2**62:
                raise ValueError
            return None, offset
        if found.order != _written(order) or len(found.after) != len(order):
            raise ValueError
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise Invalid.one("page_token", text, "must be the next_page_token of the page before") from None
    return tuple(found.after), 0


def _written(order: Sequence[Order]) -> str:
    return ",".join(f"{'-' if each.descending else ''}{each.field}" for each in order)
