"""What goes over the wire about webhooks, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from muster.http.schemas import Body, EnvironmentName, Name, Text

HookName = Annotated[str, Meta(pattern="^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
Url = Annotated[str, Meta(max_length=2_048, description="https, at a public address or an allowed host")]
Secret = Annotated[
    str, Meta(max_length=128, description="`whsec_` and 24 to 64 bytes in base64; else a new one")
]
Kinds = Annotated[list[str], Meta(max_length=100, description="As in `change` of a change; none: all")]
Models = Annotated[list[Name], Meta(max_length=100, description="None: all")]
Environments = Annotated[list[EnvironmentName], Meta(max_length=100, description="None: all")]


class WebhookRecord(Struct):
    """A webhook. `lag` counts the changes since `position` and the deliveries that are pending."""

    name: str
    url: str
    kinds: list[str]
    models: list[str]
    environments: list[str]
    description: str
    created_at: str
    created_by: str
    updated_at: str
    active: bool
    disabled_at: str | None
    disabled_because: str | None
    failing_since: str | None
    position: int
    pending: int
    lag: int
    delivered: int
    failed: int


class WebhookWithSecret(WebhookRecord, kw_only=True):
    """The only answer that shows the secret."""

    secret: str


class Webhooks(Struct):
    items: list[WebhookRecord]
    count: int
    next: str | None


class NewWebhook(Body):
    name: HookName
    url: Url
    kinds: Kinds | None = None
    models: Models | None = None
    environments: Environments | None = None
    description: Text | None = None
    secret: Secret | None = None


class WebhookUpdate(Body):
    """What is given is changed; null is as if it were absent. Made active, it goes on where it was."""

    url: Url | None = None
    kinds: Kinds | None = None
    models: Models | None = None
    environments: Environments | None = None
    description: Text | None = None
    active: bool | None = None


class AttemptRecord(Struct):
    """One time that it was sent. Where nothing was answered, `status` is null and `error` says why."""

    at: str
    delivered: bool
    status: int | None
    response: str
    error: str | None
    ms: float


class DeliveryRecord(Struct):
    """A change that the webhook is told; `id` goes along as `webhook-id`."""

    id: str
    type: str
    position: int
    commit: str
    created_at: str
    state: Literal["pending", "delivered", "failed"]
    attempts: list[AttemptRecord]
    next_attempt_at: str | None


class Deliveries(Struct):
    items: list[DeliveryRecord]
    count: int
    next: str | None


class Recovered(Struct):
    """How many deliveries that had failed for good are in line again."""

    recovered: int


class Ended(Struct):
    """The data of the event `end`."""

    reason: Literal["until", "shutdown", "access"]
