"""What passes through the ports: facts about commits, versions, deployments and what runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from muster.domain.messages import Entry
from muster.domain.records import Artifact, Config, Fields


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit to be made: what it changes in the tree, and what it says.

    `edits` maps a path in the repository (`/` between components, any UTF-8) to
    the blob's bytes, or to None to remove that file; folders that become empty
    go. No edits is an empty commit. `author` is an actor's id; `time` is UTC.
    """

    edits: Mapping[str, bytes | None]
    message: str
    author: str
    time: datetime


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """A commit as the log gives it: its id, its tree's id, and its whole message."""

    commit: str
    tree: str
    message: str


class HeadMoved(Exception):
    """The branch was not where it was expected: another writer was faster."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A row of the change log: `position` is its place in the history, from 1; `commit` its id."""

    position: int
    commit: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Found:
    """A version as lists and point reads give it: its record as the API shows it, encoded.

    `sequence` is its place in the order of registration; `touched` the last commit
    that touched it.
    """

    sequence: int
    model: str
    number: int
    model_id: str
    touched: str
    document: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """A deployment as it was at some position, and the change that made it so."""

    environment: str
    model: str
    number: int | None
    by: Logged


@dataclass(frozen=True, slots=True)
class Document:
    """One of the smaller records, and the change that touched it last."""

    path: str
    record: bytes
    by: Logged


@dataclass(frozen=True, slots=True)
class VersionFilter:
    """What a list of versions is to hold; None asks for nothing. `tags` must all be there.

    `text` is looked for in model names, labels and model ids, without regard to case.
    """

    model: str | None = None
    stage: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    kind: str | None = None
    owner: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which rows of the change log are asked for; None asks for nothing."""

    model: str | None = None
    number: int | None = None
    environment: str | None = None
    actor: str | None = None
    kinds: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """A version to be kept running: what it is, its files, and how it runs."""

    model: str
    number: int
    model_id: str
    files: tuple[Artifact, ...]
    config: Config
    allow_pickle: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """How the workers of an instance are started.

    `variables` are its own, beside what its configuration says; of the server's
    environment it does not get what is in `withheld`. A worker keeps the file
    `lock` locked, shared, for as long as it runs.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    lock: str | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """All that one model is to have in one environment.

    `position` is that of the commit that declared `active`; a target ignores a
    `Desired` with an older position than the last one it was given. `active`
    gets the traffic; what is in `warm` is started, kept ready and gets none.
    """

    environment: str
    model: str
    position: int
    active: Instance | None = None
    warm: tuple[Instance, ...] = ()


Health = Literal[
    "starting",
    "ready",
    "failed",
    "stopped",
    "recorded",
    "unknown",
    "drifted",
    "undeclared",
]


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a target observed of one of the workers of a version there.

    `replica` counts from 1. Requests, errors and latencies are those of the
    present process, `output` is the last that it and those before it wrote.
    `next_start` is when another one is started in its place.
    """

    replica: int
    health: Health
    process: int | None = None
    ready_since: datetime | None = None
    restarts: int = 0
    next_start: datetime | None = None
    reason: str = ""
    output: str = ""
    requests: int = 0
    errors: int = 0
    latency_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstanceState:
    """What a target observed of one version there, all its workers together.

    `output` is the last the workers wrote (at most 64 KiB); `reason` says in a
    sentence why it failed. `process` is one of those that are ready; `next_start`
    is when the next worker is started, where none is ready. Latency quantiles are
    in milliseconds. `leaving` says that it gets no more requests, and ends once it
    has answered the `in_flight` ones.
    """

    number: int
    config: Config
    health: Health
    active: bool = False
    reason: str = ""
    output: str = ""
    process: int | None = None
    ready_since: datetime | None = None
    restarts: int = 0
    requests: int = 0
    errors: int = 0
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    runtime: str | None = None
    signature: Fields | None = None
    in_flight: int = 0
    leaving: bool = False
    next_start: datetime | None = None
    workers: tuple[WorkerState, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A version behind the sockets of its workers, as the gateway sends to it.

    `key` is one per started instance, never used again. `sockets` are paths of
    Unix sockets; none while every worker is starting: requests wait then.
    """

    key: str
    number: int
    model_id: str
    timeout_s: float
    sockets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What went through one endpoint since it was made. Latency quantiles are in milliseconds."""

    in_flight: int = 0
    requests: int = 0
    errors: int = 0
    latency_ms: Mapping[str, float] = field(default_factory=dict)
