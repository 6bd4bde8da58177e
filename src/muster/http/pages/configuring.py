"""How a version is to run, as the fields of a form: read, and checked by the domain's own parser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from muster.domain import parse
from muster.domain.errors import Invalid, Problem, shown
from muster.domain.records import Config
from muster.http.pages.forms import Posted

KINDS: Final = {
    "text": "text",
    "env": "secret, in the server variable",
    "file": "secret, in the server file",
}
_NUMBERS: Final = ("replicas", "threads", "timeout_s")


@dataclass(frozen=True, slots=True)
class Variable:
    """A row of the form: the name and value of a variable, or where the secret is."""

    name: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The configuration as it stands in the form."""

    replicas: str = "1"
    threads: str = "1"
    timeout_s: str = "30"
    runtime: str = ""
    variables: Sequence[Variable] = field(default_factory=tuple)

    def parsed(self) -> Config:
        """Raises Invalid with every problem, by the names of the fields; `env.NAME` stands for a row."""
        body: dict[str, Any] = {
            name: number(text) for name in _NUMBERS if (text := getattr(self, name).strip())
        }
        if self.runtime.strip():
            body["runtime"] = self.runtime.strip()
        problems = list(twice("env", [each.name for each in self.variables]))
        body["env"] = {each.name: _value(each) for each in self.variables}
        try:
            config = parse.config(body, "")
        except Invalid as invalid:
            raise Invalid([*problems, *invalid.problems]) from None
        if problems:
            raise Invalid(problems)
        return config


def typed(posted: Posted) -> Typed:
    """What was posted; rows without name and value are left out."""
    names, kinds, values = (posted.all(f"env_{part}") for part in ("name", "kind", "value"))
    rows = [Variable(*row) for row in zip(names, kinds, values, strict=False)]
    return Typed(
        replicas=posted.text("replicas"),
        threads=posted.text("threads"),
        timeout_s=posted.text("timeout_s"),
        runtime=posted.text("runtime"),
        variables=[each for each in rows if each.name.strip() or each.value],
    )


def written(config: Config) -> Typed:
    """A configuration as the form shows it."""
    return Typed(
        replicas=str(config.replicas),
        threads=str(config.threads),
        timeout_s=f"{config.timeout_s:g}",
        runtime=config.runtime or "",
        variables=[_row(name, value) for name, value in sorted(config.env.items())],
    )


def number(text: str) -> object:
    """The number that `text` writes as JSON does; else the text itself, which a parser then refuses."""
    try:
        found: object = msgspec.json.decode(text.strip().encode())
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else text


def beside(problems: Sequence[Problem], part: str, name: str) -> Problem | None:
    """What is wrong with the row `name` of the fields `part`, be it with the name or the value."""
    for each in problems:
        if each.field == f"{part}.{name}" or (each.field == f"{part} key" and each.value == shown(name)):
            return each
    return None


def twice(part: str, names: Sequence[str]) -> list[Problem]:
    """Names that two rows have."""
    return [
        Problem(f"{part}.{name}", shown(name), "must not be given twice")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]


def _value(row: Variable) -> object:
    if row.kind in ("env", "file"):
        where = re.sub(rf"^{row.kind}:", "", row.value.strip())
        return {"from": f"{row.kind}:{where}"}
    return row.value


def _row(name: str, value: str | Mapping[str, Any]) -> Variable:
    if isinstance(value, str):
        return Variable(name, "text", value)
    kind, _, where = str(value["from"]).partition(":")
    return Variable(name, kind, where)
