"""Policies: expressions that must be true of a change, and what their authors say where they are not.

    policies/<name>.json    {"name", "expression", "message"} and, where they are not as usual,
                            "description", "on", "environments", "models", "enabled"

The language of the expressions is CEL; what evaluates them is a port, for the domain
knows no library. A record that is written is right; one that cannot be read (somebody
edited it) refuses every change until it is replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Protocol

from muster.domain import codec, parse
from muster.domain.changes import KINDS
from muster.domain.errors import Invalid
from muster.domain.names import environment_name
from muster.domain.parse import Form
from muster.domain.records import Json, Policy
from muster.domain.snapshot import Records

FOLDER: Final = "policies"
VARIABLES: Final = (
    "actor",
    "after",
    "change",
    "deployed",
    "environment",
    "evidence",
    "model",
    "now",
    "reason",
    "version",
)
"""What an expression may name; `situation` says what each holds."""

MAX_EXPRESSION: Final = 4_000
MAX_LISTED: Final = 100
_NAME_OF_THE_REPLAY: Final = "test"  # what `POST /api/v1/policies/test` is, no policy can be


class Evaluator(Protocol):
    """Knows the language of the expressions. Any thread may call."""

    def reads(self, expression: str) -> frozenset[str]:
        """Which of `VARIABLES` the expression names.

        Raises:
            Invalid: it is no expression, names something else, or can be nothing that is true or
                false; with line and column of all that is wrong.
        """
        ...

    def outcomes(self, expressions: Sequence[str], inputs: Mapping[str, object]) -> list[bool | str]:
        """For each whether it is true, or why that cannot be said. `inputs` are those that they read."""
        ...


# ------------------------------------------------------------ parsing


def policy_name(value: object, field: str = "name") -> str:
    """A policy's name: as an environment's, and not `test`."""
    name = environment_name(value, field)
    if name == _NAME_OF_THE_REPLAY:
        raise Invalid.one(field, value, "must be another word: by this one policies are tested")
    return name


def _expression(value: object, field: str) -> str:
    kept = parse.text(value, field, MAX_EXPRESSION)
    if not kept.strip():
        raise Invalid.one(field, value, "must not be empty")
    return kept


def parsed(body: object, name: str | None = None) -> tuple[Policy, Form]:
    """The policy that `body` describes, whose name may be said elsewhere; and the form, to be closed."""
    form = Form(body)
    return _taken(form, name, parse.one_of(KINDS)), form


def _taken(form: Form, name: str | None, kind: Callable[[object, str], str]) -> Policy:
    said = form.need("name", policy_name, "") if name is None else form.take("name", policy_name, name)
    if name is not None and said != name:
        form.wrong("name", said, f"must be {name!r}, as in the address")
    return Policy(
        said,
        expression=form.need("expression", _expression, ""),
        message=form.need("message", parse.message, ""),
        description=form.take("description", parse.text, ""),
        on=form.take("on", parse.sequence(kind, MAX_LISTED), ()),
        environments=form.take("environments", parse.sequence(environment_name, MAX_LISTED), ()),
        models=form.take("models", parse.sequence(parse.name, MAX_LISTED), ()),
        enabled=form.take("enabled", parse.boolean, True),
    )


# ------------------------------------------------------------ files


def policy_path(name: str) -> str:
    """The policy's record in the repository."""
    return f"{FOLDER}/{name}.json"


def to_dict(policy: Policy) -> dict[str, Json]:
    """The policy as the API shows it: always whole."""
    return {
        "name": policy.name,
        "description": policy.description,
        "on": list(policy.on),
        "environments": list(policy.environments),
        "models": list(policy.models),
        "expression": policy.expression,
        "message": policy.message,
        "enabled": policy.enabled,
    }


def to_bytes(policy: Policy) -> bytes:
    """The file of a policy."""
    record, usual = to_dict(policy), to_dict(Policy(policy.name, "", ""))
    return codec.encode({key: value for key, value in record.items() if key == "name" or value != usual[key]})


@lru_cache(maxsize=1024)
def from_bytes(data: bytes) -> Policy:
    """The reverse of `to_bytes`.

    Raises:
        Invalid: naming what is wrong with it.
    """
    try:
        record = json.loads(data)
    except ValueError as error:
        raise Invalid.one("policy", data[:60], f"must be JSON ({error})") from None
    form = Form(record)
    # Any kind: one that this release does not know stands for no change that it makes.
    policy = _taken(form, None, parse.name)
    form.close()
    return policy


def name_of(path: str) -> str:
    """The name of the policy whose record is there."""
    return path.removeprefix(f"{FOLDER}/").removesuffix(".json")


# ------------------------------------------------------------ reading


def policy(before: Records, name: str) -> Policy | None:
    """The policy of that name. Raises Invalid."""
    data = before.document(policy_path(name))
    return from_bytes(data) if data is not None else None


@lru_cache(maxsize=1024)
def sha256_of(data: bytes) -> str:
    """The digest of one policy's record."""
    return hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=64)
def digest_of(records: tuple[tuple[str, bytes], ...]) -> str:
    """The digest of all policies, from their paths and records: it changes if any of them does."""
    listed = "".join(f"{sha256_of(data)}  {path}\n" for path, data in records)
    return hashlib.sha256(listed.encode()).hexdigest()


def digest(before: Records) -> str:
    """The same of those in force."""
    return digest_of(before.documents(FOLDER))
