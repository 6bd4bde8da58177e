"""Records of changes that wait for approval: `proposals/<id>.json`, and which of them are open.

    {
      "id": "P-00012",
      "subject": "Deploy digits v2 to production",
      "change": {"kind": "deploy", …},              what is to happen (`domain.change_codec`)
      "requester": "ada", "auth": "token",
      "behind": ["cy"],                              who then owned or could use a requesting service
      "reason": "Better recall",
      "state": "open",                               or applied, rejected, withdrawn, lapsed
      "bound": {"files": {…}, "evidence": "…", …},   what the approvals are for (`domain.bindings`)
      "decisions": [{"actor": "bob", "verdict": "approve", "comment": "", "teams": ["risk"]}]
    }

When it was made and each decision are said by the commits that did it, in this order.
`proposals/open.json` holds the number of the last one, and the open ones with the
sha256 of their change: so the next one and an equal one are found without reading all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final, Literal

from muster.domain import codec
from muster.domain.change_codec import bare, change_from_dict, change_to_dict
from muster.domain.changes import Actor, Auth, Change
from muster.domain.errors import Invalid, NotFound
from muster.domain.records import Fields, Json
from muster.domain.snapshot import Snapshot

FOLDER: Final = "proposals"
OPEN: Final = f"{FOLDER}/open.json"
State = Literal["open", "applied", "rejected", "withdrawn", "lapsed"]
STATES: Final[tuple[State, ...]] = ("open", "applied", "rejected", "withdrawn", "lapsed")
_ID: Final = re.compile(r"[Pp]-0*([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody said of a proposal, as a member of which of the teams that were asked.

    `lapsed` names what changed since, so that an approval is one of something else.
    """

    actor: str
    verdict: Literal["approve", "reject"]
    comment: str = ""
    teams: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A change that waits, or waited."""

    id: str
    subject: str
    wanted: Fields
    requester: str
    auth: Auth = "none"
    behind: tuple[str, ...] = ()
    reason: str = ""
    state: State = "open"
    bound: Fields = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()

    @cached_property
    def change(self) -> Change:
        """What is to happen."""
        return change_from_dict(self.wanted)

    @property
    def actor(self) -> Actor:
        """The requester, for whom it happens."""
        return Actor(self.requester, self.auth)


def proposal_id(value: object, field: str = "proposal") -> str:
    """The id of a proposal, as it is kept; `P-12` will do for `P-00012`."""
    found = _ID.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Invalid.one(field, value, "must be a proposal's id, as in P-12")
    return numbered(int(found[1]))


def numbered(number: int) -> str:
    """The id with that number: sorts by it."""
    return f"P-{number:05}"


def proposal_path(proposal: str) -> str:
    """The proposal's record in the repository."""
    return f"{FOLDER}/{proposal}.json"


def proposal_to_bytes(proposal: Proposal) -> bytes:
    """The file of a proposal."""
    record: dict[str, Json] = {
        "id": proposal.id,
        "subject": proposal.subject,
        "change": dict(proposal.wanted),
        "requester": proposal.requester,
        "auth": proposal.auth,
        "state": proposal.state,
        "bound": dict(proposal.bound),
        "decisions": [decision_to_dict(each) for each in proposal.decisions],
    }
    if proposal.behind:
        record["behind"] = list(proposal.behind)
    if proposal.reason:
        record["reason"] = proposal.reason
    return codec.encode(record)


def decision_to_dict(decision: Decision) -> dict[str, Json]:
    """A decision, as the record holds it."""
    record: dict[str, Json] = {
        "actor": decision.actor,
        "verdict": decision.verdict,
        "comment": decision.comment,
        "teams": list(decision.teams),
    }
    return record | ({"lapsed": list(decision.lapsed)} if decision.lapsed else {})


@lru_cache(maxsize=256)
def proposal_from_bytes(data: bytes) -> Proposal:
    """The reverse of `proposal_to_bytes`.

    Raises:
        Invalid: it is none; what is missing or wrong is named.
    """
    record = json.loads(data)
    try:
        return Proposal(
            id=record["id"],
            subject=record["subject"],
            wanted=record["change"],
            requester=record["requester"],
            auth=record["auth"],
            behind=tuple(record.get("behind", ())),
            reason=record.get("reason", ""),
            state=state_of(record["state"]),
            bound=record["bound"],
            decisions=tuple(_decision(each) for each in record["decisions"]),
        )
    except KeyError as missing:
        raise Invalid.one(str(missing.args[0]), None, "must be there in a proposal") from None


def _decision(record: Mapping[str, Json]) -> Decision:
    if record["verdict"] not in ("approve", "reject"):
        raise Invalid.one("verdict", record["verdict"], "must be approve or reject")
    return Decision(
        record["actor"],
        record["verdict"],
        record.get("comment", ""),
        tuple(record.get("teams", ())),
        tuple(record.get("lapsed", ())),
    )


# ------------------------------------------------------------ reading


def proposal_of(before: Snapshot, proposal: str) -> Proposal:
    """The proposal of that id. Raises NotFound."""
    data = before.document(proposal_path(proposal))
    if data is None:
        raise NotFound("proposal", proposal)
    return proposal_from_bytes(data)


def digest_of(change: Change) -> str:
    """The sha256 of what the change is to do: equal changes have the same."""
    return hashlib.sha256(codec.canonical(change_to_dict(bare(change)))).hexdigest()


@dataclass(frozen=True, slots=True)
class Open:
    """The number of the last proposal, and the open ones with the digests of their changes."""

    last: int = 0
    changes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, before: Snapshot) -> Open:
        """As it is now."""
        data = before.document(OPEN)
        if data is None:
            return cls()
        record = json.loads(data)
        return cls(record["last"], record["open"])

    def same(self, change: Change) -> str | None:
        """The open proposal that is to do the same."""
        wanted = digest_of(change)
        return next((each for each, digest in self.changes.items() if digest == wanted), None)

    def opened(self, change: Change) -> tuple[str, Open]:
        """The id of one more, and what is open then."""
        new = numbered(self.last + 1)
        return new, Open(self.last + 1, {**self.changes, new: digest_of(change)})

    def closed(self, proposal: str) -> Open:
        """What is open without that one."""
        return Open(self.last, {each: digest for each, digest in self.changes.items() if each != proposal})

    def to_bytes(self) -> bytes:
        """The file that says it."""
        return codec.encode({"last": self.last, "open": dict(self.changes)})


def edits_of(before: Snapshot, proposal: Proposal) -> dict[str, bytes]:
    """What is written when a proposal is no longer open, or has another decision."""
    edits = {proposal_path(proposal.id): proposal_to_bytes(proposal)}
    if proposal.state != "open":
        edits[OPEN] = Open.read(before).closed(proposal.id).to_bytes()
    return edits


def state_of(value: object, field: str = "state") -> State:
    """One of the states. Raises Invalid."""
    for state in STATES:
        if value == state:
            return state
    raise Invalid.one(field, value, f"must be one of {', '.join(STATES)}")
