"""The commit message: a subject for people, the reason, and trailers for programs.

    Deploy sentiment_classifier v1.0 to production

    Better recall on long reviews.

    Muster-Change: deploy
    Muster-Model: sentiment_classifier
    Muster-Version: 1
    Muster-Environment: production
    Muster-Deployed: 1
    Muster-Actor: ada
    Muster-Auth: none
    Muster-Time: 2026-11-24T09:00:14.000123Z

The trailers are the last paragraph, always, so that no reason can forge one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

_LEAVE_VERSIONS_ALONE = frozenset(
    {
        "note",
        "observe",
        "deploy-failed",
        "alias",
        "evaluate",
        "propose",
        "decide",
        "withdraw",
        "lapse",
        "review-break-glass",
        "ban",
        "unban",
    }
)
# Of those that change a version, the ones that say what it is, and not where it is or who may see it.
AUTHORING = ("attach", "detach", "finalize", "register", "update")


@dataclass(frozen=True, slots=True)
class Moved:
    """What a change that moves several models at once does for one of them.

    As if it had been done alone: the version that it names, `also` the others that it
    touches, `deployed` what is declared from then on.
    """

    model: str
    number: int
    also: tuple[int, ...]
    deployed: str

    @property
    def kind(self) -> str:
        """The kind of change that it would be alone."""
        if self.deployed == "none":
            return "undeploy"
        return "deploy" if self.deployed == str(self.number) else "rollback"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit says of its change; also a row of the change log.

    `also` are the numbers of further versions of the model that it touched (the
    one that a deployment replaced). `request` is an idempotency key and the
    sha256 of its request. `observed` is a state word, `instance` and `digest`
    belong to it. `deployed` is what is declared from then on for the model in the
    environment: a version's number, or `none`. `renamed` is the name that the model
    had before. `records` are the paths of the smaller records (`domain.documents`)
    that it wrote or removed. `proposal` is the one that it carried out; `mark` is
    what sets it apart for ever (`break-glass`). `moved` is there instead of `model`,
    `number`, `also` and `deployed` if it moves several models in the environment at once.

    Times are UTC. `touches_record` says whether the versions named are changed by it.
    """

    kind: str
    subject: str
    reason: str
    actor: str
    auth: str
    time: datetime
    model: str | None = None
    number: int | None = None
    environment: str | None = None
    also: tuple[int, ...] = ()
    deployed: str | None = None
    request: tuple[str, str] | None = None
    observed: str | None = None
    instance: str | None = None
    digest: str | None = None
    renamed: str | None = None
    records: tuple[str, ...] = ()
    proposal: str | None = None
    mark: str | None = None
    moved: tuple[Moved, ...] = ()

    @property
    def each(self) -> tuple[Entry, ...]:
        """It alone; of a change that moves several models one for each, as if it had been done alone."""
        if not self.moved:
            return (self,)
        return tuple(
            replace(
                self,
                kind=part.kind,
                model=part.model,
                number=part.number,
                also=part.also,
                deployed=part.deployed,
                records=(),
                moved=(),
            )
            for part in self.moved
        )

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it is about, by the names that they have after it."""
        return tuple(each.model for each in self.each if each.model is not None)

    @property
    def declares(self) -> bool:
        """Whether it says what is to run anywhere."""
        return self.deployed is not None or bool(self.moved)

    @property
    def touches_record(self) -> bool:
        """Whether what it says of its versions is a change of them, so that they were updated then."""
        return self.kind not in _LEAVE_VERSIONS_ALONE


def rfc3339(time: datetime) -> str:
    """`time` in UTC with microseconds: sorts as text."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def moved_line(part: Moved) -> str:
    """A part in one line: what is deployed, the numbers of the versions touched, the model's name."""
    return f"{part.deployed} {','.join(map(str, (part.number, *part.also)))} {part.model}"


def moved_from(line: str) -> Moved:
    """The reverse of `moved_line`. Raises ValueError."""
    deployed, numbers, model = line.split(" ", 2)
    number, *also = map(int, numbers.split(","))
    return Moved(model, number, tuple(also), deployed)


def compose(entry: Entry) -> str:
    """The message that says `entry`; `parse` gives it back."""
    trailers: list[tuple[str, object]] = [
        ("Change", entry.kind),
        ("Model", entry.model),
        ("Renamed", entry.renamed),
        ("Version", entry.number),
        *(("Also", number) for number in entry.also),
        ("Environment", entry.environment),
        ("Deployed", entry.deployed),
        *(("Moved", moved_line(part)) for part in entry.moved),
        ("Observed", entry.observed),
        ("Instance", entry.instance),
        ("Digest", entry.digest),
        *(("Record", path) for path in entry.records),
        ("Proposal", entry.proposal),
        ("Mark", entry.mark),
        ("Actor", entry.actor),
        ("Auth", entry.auth),
        ("Time", rfc3339(entry.time)),
        ("Request", entry.request and f"{entry.request[0]} {entry.request[1]}"),
    ]
    block = "".join(f"Muster-{key}: {value}\n" for key, value in trailers if value is not None)
    body = f"{entry.reason}\n\n" if entry.reason else ""
    return f"{entry.subject}\n\n{body}{block}"


def parse(message: str) -> Entry:
    """What a commit's message says.

    Raises:
        ValueError: Muster did not write it.
    """
    head, _, block = message.rstrip("\n").rpartition("\n\n")
    subject, _, reason = head.partition("\n\n")
    found: dict[str, str] = {}
    also: list[int] = []
    records: list[str] = []
    moved: list[Moved] = []
    for line in block.split("\n"):
        key, sign, value = line.partition(": ")
        if not sign or not key.startswith("Muster-"):
            raise ValueError(f"not a Muster trailer: {line!r}")
        if key == "Muster-Also":
            also.append(int(value))
        elif key == "Muster-Record":
            records.append(value)
        elif key == "Muster-Moved":
            moved.append(moved_from(value))
        else:
            found[key[7:]] = value
    try:
        request = found.get("Request")
        key, _, request_digest = (request or "").rpartition(" ")
        time = datetime.fromisoformat(found["Time"])
        if time.tzinfo is None:
            raise ValueError("a Muster-Time without its offset from UTC")
        return Entry(
            kind=found["Change"],
            subject=subject,
            reason=reason,
            actor=found["Actor"],
            auth=found["Auth"],
            time=time,
            model=found.get("Model"),
            number=int(found["Version"]) if "Version" in found else None,
            environment=found.get("Environment"),
            also=tuple(also),
            deployed=found.get("Deployed"),
            request=(key, request_digest) if request else None,
            observed=found.get("Observed"),
            instance=found.get("Instance"),
            digest=found.get("Digest"),
            renamed=found.get("Renamed"),
            records=tuple(records),
            proposal=found.get("Proposal"),
            mark=found.get("Mark"),
            moved=tuple(moved),
        )
    except KeyError as missing:
        raise ValueError(f"no Muster-{missing.args[0]} trailer") from None
