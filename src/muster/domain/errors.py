"""What can go wrong, as one tree.

    MusterError
    ├── Invalid            the request is wrong; `problems` names field, value and rule
    │   └── TooLarge       a limit on size was passed
    ├── NotFound           nothing goes by that name
    │   └── Purged         its bytes were removed for good
    ├── Conflict           the request is right, the state is in the way
    │   ├── Taken              something else goes by that name
    │   ├── ContentDiffers     that version exists, with other content
    │   ├── Immutable          a final version's content, or a deployed thing
    │   ├── UnderWay           a deployment of that model is running there
    │   ├── NotDeployedThere   a rollback of what is not deployed
    │   ├── NothingToRestore   a rollback that leaves traffic nowhere to go
    │   ├── Incomplete         something is missing, and nobody said that it may be
    │   ├── Stale              the record changed since it was read
    │   └── KeyReused          an idempotency key came with another request
    ├── Unauthenticated    nobody knows who asks
    ├── TooManyAttempts    it was tried too often; later
    ├── Denied             a rule forbids it
    │   └── ApprovalNeeded     others have to approve it first
    ├── DidNotStart        the target could not bring the version up
    │   └── NoRuntime      no runtime serves these files
    └── Unavailable        try again later
        ├── StorageFull        the disk is full
        └── OutcomeUnknown     the write may or may not have happened

A class says what kind of thing went wrong, carries a stable `code` and its facts
as attributes, and knows no HTTP. Each transport maps the closest ancestor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request: the field, what it held (or `NOTHING`), and the rule it breaks."""

    field: str
    value: str
    rule: str

    def __str__(self) -> str:
        told = f"{self.field}: {self.rule}"
        return told if self.value == NOTHING else f"{told}, not {self.value}"


def shown(value: object) -> str:
    """`value` as an error message shows it: its repr, at most 80 characters."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # bottomless, or a number with more digits than Python prints
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else text[:76] + " ..."


class MusterError(Exception):
    """The root of everything Muster raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def facts(self) -> dict[str, object]:
        """What a program may want to know, as plain JSON values."""
        return {}


class Invalid(MusterError):
    """The request itself is wrong. The caller must change it."""

    code = "invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))

    @classmethod
    def one(cls, field: str, value: object, rule: str) -> Invalid:
        """A single problem with `field`."""
        return cls([Problem(field, shown(value), rule)])

    def facts(self) -> dict[str, object]:
        return {"problems": [{"field": p.field, "value": p.value, "rule": p.rule} for p in self.problems]}


class TooLarge(Invalid):
    """A limit on size was passed; the rule says which."""

    code = "too_large"


class NotFound(MusterError):
    """Nothing goes by that name (any more)."""

    code = "not_found"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind.capitalize()} not found: {name}")
        self.kind = kind
        self.name = name

    def facts(self) -> dict[str, object]:
        return {"kind": self.kind, "name": self.name}


class Purged(NotFound):
    """A file of a version whose bytes were removed for good; its record is still there."""

    code = "purged"

    def __init__(self, name: str, why: str) -> None:
        super().__init__("file", name)
        self.message = f"{name} is gone for good: {why}"
        self.args = (self.message,)


class Conflict(MusterError):
    """The request is well formed but the present state is in the way."""

    code = "conflict"


class Taken(Conflict):
    """Something else goes by that name already; choose another."""

    code = "taken"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name!r} is there already")
        self.kind = kind
        self.name = name

    def facts(self) -> dict[str, object]:
        return {"kind": self.kind, "name": self.name}


class ContentDiffers(Conflict):
    """The version exists with other content; register the new content as a new version."""

    code = "version_exists"

    def __init__(self, model_id: str, fields: Iterable[str]) -> None:
        self.model_id = model_id
        self.fields = tuple(fields)
        super().__init__(
            f"{model_id} is registered already, with other content in: {', '.join(self.fields)}. "
            "A version never changes; give the new content a new version"
        )

    def facts(self) -> dict[str, object]:
        return {"model_id": self.model_id, "fields": list(self.fields)}


class Immutable(Conflict):
    """What was to be changed or deleted may not be: it is final, or deployed."""

    code = "immutable"


class UnderWay(Conflict):
    """Another deployment of the same model in the same environment is running."""

    code = "deployment_under_way"

    def __init__(self, environment: str, model: str, what: str, operation: str) -> None:
        self.environment, self.model, self.what, self.operation = environment, model, what, operation
        super().__init__(f"{what} is under way (operation {operation}); try again when it has ended")

    def facts(self) -> dict[str, object]:
        return {
            "environment": self.environment,
            "model": self.model,
            "what": self.what,
            "operation": self.operation,
        }


class NotDeployedThere(Conflict):
    """A rollback or undeploy named what is not deployed in that environment."""

    code = "not_deployed"


class NothingToRestore(Conflict):
    """A rollback would leave traffic nowhere to go."""

    code = "nothing_to_restore"


class Incomplete(Conflict):
    """Something that is needed is missing; `report` says what, and nothing was touched."""

    code = "incomplete"

    def __init__(self, message: str, report: Mapping[str, object]) -> None:
        super().__init__(message)
        self.report = report

    def facts(self) -> dict[str, object]:
        return dict(self.report)


class Stale(Conflict):
    """The record changed after it was read: read it again, then decide again."""

    code = "stale"


class KeyReused(Conflict):
    """An idempotency key was used before, for a different request."""

    code = "idempotency_key_reused"


class Unauthenticated(MusterError):
    """Access is controlled, and who asks did not say who they are, or not so that it can be believed."""

    code = "unauthenticated"


class TooManyAttempts(MusterError):
    """Too many attempts to log in failed; `wait_s` seconds from now another is looked at."""

    code = "too_many_attempts"

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__(f"too many attempts to log in failed; try again in {wait_s} s")

    def facts(self) -> dict[str, object]:
        return {"wait_s": self.wait_s}


@dataclass(frozen=True, slots=True)
class Objection:
    """One rule that stands against a change: the rule's name, what it says, and who or what can help."""

    rule: str
    message: str
    help: str = ""

    def __str__(self) -> str:
        return f"{self.message} ({self.help})" if self.help else self.message


class Denied(MusterError):
    """A rule forbids it; every objection is listed."""

    code = "denied"

    def __init__(self, objections: Iterable[Objection]) -> None:
        self.objections = tuple(objections)
        super().__init__("; ".join(map(str, self.objections)))

    @classmethod
    def one(cls, rule: str, message: str, help: str = "") -> Denied:  # noqa: A002  as the field's name
        """A single objection."""
        return cls([Objection(rule, message, help)])

    def facts(self) -> dict[str, object]:
        return {
            "objections": [
                {"rule": each.rule, "message": each.message, "help": each.help} for each in self.objections
            ]
        }


class ApprovalNeeded(Denied):
    """Others have to approve it first; `proposal` is the one that is open for it, if one is.

    `demands` say of which environment, `from` which team, how many (`count`). `record` is
    the proposal as the API shows it, once a door has looked it up.
    """

    code = "approval_needed"

    def __init__(
        self, objection: Objection, demands: Iterable[Mapping[str, object]], proposal: str | None = None
    ) -> None:
        super().__init__([objection])
        self.demands = tuple(demands)
        self.proposal = proposal
        self.record: Mapping[str, object] | None = None

    def facts(self) -> dict[str, object]:
        return {**super().facts(), "demands": list(self.demands), "proposal": self.proposal}


class DidNotStart(MusterError):
    """A version did not become ready; what was deployed before goes on serving."""

    code = "did_not_start"

    def __init__(self, reason: str, output: str = "") -> None:
        self.reason = reason
        self.output = output
        super().__init__(reason)

    def facts(self) -> dict[str, object]:
        return {"reason": self.reason, "output": self.output}


class NoRuntime(DidNotStart):
    """No runtime here serves these files."""

    code = "no_runtime"


class Unavailable(MusterError):
    """It cannot be done just now; the same request may succeed later."""

    code = "unavailable"


class StorageFull(Unavailable):
    """The disk is full (or at its reserve); nothing was written."""

    code = "storage_full"


class OutcomeUnknown(Unavailable):
    """The write may have happened: repeat it with the same idempotency key."""

    code = "outcome_unknown"
