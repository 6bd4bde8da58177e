"""The port `Schemas`: JSON Schema (draft 4 to 2020-12), by jsonschema-rs.

Nothing is fetched, whatever a `$ref` or `$schema` names, and regular expressions take
linear time: a schema is written by one person and held against what others send.
`format` is checked, not just noted, for `review_due` is to be a date.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import jsonschema_rs

from muster.domain import codec
from muster.domain.errors import Invalid, shown
from muster.domain.records import Fields, Json
from muster.domain.requirements import Lack

_REMEMBERED: Final = 256  # compiled schemas
_MOST: Final = 100  # lacks that are told
_LONGEST: Final = 300  # characters of a rule


class JsonSchemas:
    """Compiles each schema once."""

    def __init__(self) -> None:
        self._compiled = lru_cache(_REMEMBERED)(_compile)

    def check(self, schema: Fields, field: str) -> None:
        try:
            self._compiled(codec.canonical(schema))
        except jsonschema_rs.ValidationError as error:
            raise _invalid(error, field) from error

    def lacks(self, schema: Fields, instance: Json) -> tuple[Lack, ...]:
        try:
            validator = self._compiled(codec.canonical(schema))
        except jsonschema_rs.ValidationError as error:
            raise _invalid(error, "schema") from error
        found: dict[Lack, None] = {}
        for broken in validator.iter_errors(instance):
            found[_lack(broken)] = None
            if len(found) == _MOST:
                break
        return tuple(found)


def _compile(schema: bytes) -> Any:
    return jsonschema_rs.validator_for(
        schema.decode(), validate_formats=True, offline=True, pattern_options=jsonschema_rs.RegexOptions()
    )


def _invalid(error: jsonschema_rs.ValidationError, field: str) -> Invalid:
    where = ".".join([field, *map(str, error.instance_path)])
    return Invalid.one(
        where, error.instance, f"must be a JSON Schema that can be used here ({error.message})"
    )


def _lack(error: jsonschema_rs.ValidationError) -> Lack:
    """What is missing by its own name, what is wrong by what it holds and the rule."""
    path = [str(each) for each in error.instance_path]
    kind: Any = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return Lack(".".join([*path, str(kind.property)]), "is required")
    rule = (
        error.message if len(error.message) <= _LONGEST else f"breaks the rule {shown(error.schema_path[-1])}"
    )
    return Lack(".".join(path) or "it", f"must be otherwise: {rule}")
