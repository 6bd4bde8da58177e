"""Who asks, and what they may see: asked at every door, before anything is read.

    controlled      whether anybody has to say who they are
    identify        a token or a session → the actor
    sight           what the actor may see; None for everything
    may_predict     whether requests to what is served are theirs to send

What accounts may do is read from the index and kept until a record of access changes,
so that asking costs two lookups. Tokens are checked against a file that other
processes may write, too: what is revoked there is refused here at once.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from muster.domain import access
from muster.domain.access import Right
from muster.domain.changes import Actor, Limits
from muster.domain.errors import Denied, Invalid, NotFound, TooManyAttempts, Unauthenticated
from muster.domain.snapshot import Snapshot
from muster.service.identities import Credential, Credentials, Proof
from muster.service.ports import Clock, IndexReads
from muster.service.values import Logged

PREFIX: Final = "muster_"
ANONYMOUS: Final = "anonymous"
_TOKEN: Final = re.compile(r"muster_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_ATTEMPTS: Final = 10  # that may fail from one address, and then one each time that
_PER: Final = timedelta(seconds=60)  # has gone by
_ADDRESSES: Final = 4096
_LOOK_S: Final = 0.1
# What makes models, names them, or gives them to another owner; and whose requests an environment takes.
_MOVES_MODELS: Final = frozenset(
    {
        *("register", "create-model", "update-model", "rename", "delete-model"),
        *("environment", "delete-environment"),
    }
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may see: the models by name, and nothing that is about others."""

    models: frozenset[str]


@dataclass(slots=True)
class _View:
    """What the records of access come to, as of one change."""

    newest: Logged | None
    controlled: bool
    look_at: float = 0.0  # monotonic: when to see whether anybody else has written
    sights: dict[Actor, Sight | None] = field(default_factory=dict)
    keeping: dict[Actor, bool] = field(default_factory=dict)
    predicting: dict[tuple[Actor, str, str], bool] = field(default_factory=dict)
    enabled: dict[str, bool] = field(default_factory=dict)


class Gate:
    """Identities and rights, for the doors. Any thread may call."""

    def __init__(self, index: IndexReads, credentials: Credentials, clock: Clock) -> None:
        self._index = index
        self.credentials = credentials
        self._clock = clock
        self._view: _View | None = None
        self._failed: dict[str, list[datetime]] = {}
        self._counting = threading.Lock()

    @property
    def whole_index(self) -> IndexReads:
        """The index with everything in sight, for what says who somebody is."""
        return self._index

    # ------------------------------------------------------------ who

    def controlled(self) -> bool:
        """Whether access is controlled."""
        return self._now().controlled

    def identify(self, secret: str, address: str = "") -> tuple[Actor, Credential]:
        """Whose token, or session, the secret is.

        Raises:
            Unauthenticated: nobody's, or it has expired or was revoked, or the account is disabled.
            TooManyAttempts: from that address.
        """
        now = self._clock()
        self._check_attempts(address, now)
        found = self.credentials.by_digest(hashlib.sha256(secret.encode()).digest())
        if found is None or not self._is_enabled(found.account):
            self._fail(address, now)
            raise Unauthenticated("this token is not known here: it was revoked, or never given out")
        if found.expires is not None and found.expires <= now:
            self._fail(address, now)
            raise Unauthenticated(f"this token expired at {found.expires:%Y-%m-%d %H:%M:%S} UTC")
        if found.once and self.credentials.revoke(found.id) is None:
            raise Unauthenticated("this token was good once, and somebody was faster")
        self.credentials.used(found.id, now)
        return Actor(found.account, found.proof, limits=found.limits), found

    def _is_enabled(self, account: str) -> bool:
        view = self._now()
        if (known := view.enabled.get(account)) is None:
            found = self._index.document(access.account_path(account))
            known = found is not None and not access.account_from_bytes(found.record).disabled
            view.enabled[account] = known
        return known

    # ------------------------------------------------------------ giving out

    def give(
        self,
        account: str,
        *,
        kind: str = "token",
        proof: Proof = "token",
        note: str = "",
        limits: Limits | None = None,
        lasts: timedelta | None = None,
        once: bool = False,
    ) -> tuple[str, Credential]:
        """A new secret for an account, shown this once, and what is kept of it.

        Raises:
            NotFound: there is no such account, or it is disabled.
            Invalid: `lasts` is not a time to come.
        """
        self._now()
        if not self._is_enabled(account):
            raise NotFound("account", account)
        if lasts is not None and lasts <= timedelta(0):
            raise Invalid.one("expires", str(lasts), "must be in the future")
        now = self._clock()
        number = secrets.token_hex(6)
        secret = f"{PREFIX}{number}_{secrets.token_urlsafe(32)}"
        credential = Credential(
            id=number,
            account=account,
            kind="session" if kind == "session" else "token",
            proof=proof,
            note=note,
            limits=limits,
            created=now,
            expires=None if lasts is None else now + lasts,
            once=once,
        )
        self.credentials.add(credential, hashlib.sha256(secret.encode()).digest())
        return secret, credential

    def end(self, secret: str) -> None:
        """Whatever the secret is of is good for nothing from now on."""
        found = self.credentials.by_digest(hashlib.sha256(secret.encode()).digest())
        if found is not None:
            self.credentials.revoke(found.id)

    # ------------------------------------------------------------ what

    def right_on(self, actor: Actor, model: str) -> Right:
        """What the actor may do with the model; everything while access is not controlled."""
        return self._asked(actor, lambda before: access.right_on(before, actor, model))

    def right_anywhere(self, actor: Actor) -> Right:
        """What the actor may do with all of the registry."""
        return self._asked(actor, lambda before: access.right_anywhere(before, actor))

    def _asked(self, actor: Actor, ask: Callable[[Snapshot], Right]) -> Right:
        if actor.internal or not self.controlled():
            return Right.ADMIN
        with self._index.snapshot() as before:
            return ask(before)

    def sight(self, actor: Actor) -> Sight | None:
        """What the actor may see; None for everything."""
        view = self._now()
        if not view.controlled or actor.internal:
            return None
        if actor not in view.sights:
            view.sights[actor] = self._sight(actor)
        return view.sights[actor]

    def _sight(self, actor: Actor) -> Sight | None:
        with self._index.snapshot() as before:
            if access.right_anywhere(before, actor) >= Right.READ:
                return None
            everywhere = access.roles_at(before, actor.name, [access.REGISTRY])
            names = set(actor.limits.models if actor.limits and access.right_of(everywhere) else ())
            for team in access.teams(before):
                if access.roles_at(before, actor.name, [access.team_path(team.name)]):
                    names.update(self._owned_by(f"{access.TEAM}{team.name}"))
            for each in self._index.models_with_access():
                names.add(each)
            return Sight(
                frozenset(each for each in names if access.right_on(before, actor, each) >= Right.READ)
            )

    def _owned_by(self, owner: str) -> list[str]:
        return [model.name for model in self._index.models(owner=owner, limit=2**31)]

    def check_may_keep(self, actor: Actor) -> None:
        """Let pass who may register anything: files for versions to come are theirs to keep and see.

        Raises:
            Denied: they may not.
        """
        view = self._now()
        if not view.controlled or actor.internal:
            return
        if (known := view.keeping.get(actor)) is None:
            known = view.keeping[actor] = self._may_keep(actor)
        if not known:
            raise Denied.one(
                "access",
                f"{actor.name} may register nothing, so keeps no files here",
                "an admin can make them contributor",
            )

    def _may_keep(self, actor: Actor) -> bool:
        if actor.limits is not None and access.right_of([actor.limits.role or ""]) < Right.WRITE:
            return False
        with self._index.snapshot() as before:
            places = [access.REGISTRY, *(access.team_path(each.name) for each in access.teams(before))]
            if access.right_of(access.roles_at(before, actor.name, places)) >= Right.WRITE:
                return True
            return any(
                access.right_on(before, actor, each) >= Right.WRITE
                for each in self._index.models_with_access()
            )

    def check_may_tell(self, actor: Actor) -> None:
        """Let pass who may have others told of everything that happens, by webhook.

        Raises:
            Denied: they are no admin.
        """
        if self.right_anywhere(actor) < Right.ADMIN:
            raise Denied.one(
                "access",
                f"webhooks are told of everything, and {actor.name} is no admin of the registry",
                "an admin can make and change them",
            )

    def may_predict(self, actor: Actor | None, environment: str, model: str) -> bool:
        """Whether requests to what is served there are theirs to send; None: nobody knows whose."""
        view = self._now()
        if not view.controlled:
            return True
        key = (actor or Actor(ANONYMOUS), environment, model)
        if (known := view.predicting.get(key)) is None:
            known = view.predicting[key] = self._may_predict(actor, environment, model)
        return known

    def _may_predict(self, actor: Actor | None, environment: str, model: str) -> bool:
        with self._index.snapshot() as before:
            there = before.environment(environment)
            if there is not None and there.rules.public:
                return True
            if actor is None:
                return False
            if actor.limits is not None and not actor.limits.covers(model, environment):
                return False
            whole = Actor(actor.name, actor.auth)
            return (
                max(access.right_on(before, whole, model), access.right_in(before, whole, environment))
                >= Right.READ
            )

    # ------------------------------------------------------------ keeping

    def recorded(self, logged: Sequence[Logged]) -> None:
        """What was recorded in this process: a listener of the committer's, told before who asked is."""
        view = self._view
        if view is None or view.newest is None or view.newest.position + 1 != logged[0].position:
            self._view = None  # somebody else has written between
            return
        for each in logged:
            if any(_is_of_access(path) for path in each.entry.records):
                self._view = None
                return
            if each.entry.kind in _MOVES_MODELS:
                view.sights = {actor: sight for actor, sight in view.sights.items() if sight is None}
                view.predicting.clear()
                view.keeping.clear()
        view.newest = logged[-1]

    def _now(self) -> _View:
        """What holds now. Others may have written to the home: that is looked for every tenth of a second."""
        view, now = self._view, time.monotonic()
        if view is not None and now < view.look_at:
            return view
        newest = self._index.newest()
        if view is None or view.newest != newest:
            there = self._index.document(access.REGISTRY) is not None
            view = self._view = _View(newest, there)
        view.look_at = now + _LOOK_S
        return view

    # ------------------------------------------------------------ attempts

    def _check_attempts(self, address: str, now: datetime) -> None:
        with self._counting:
            recent = [at for at in self._failed.get(address, ()) if now - at < _PER]
            if len(recent) >= _ATTEMPTS:
                raise TooManyAttempts(1 + int((recent[0] + _PER - now).total_seconds()))

    def _fail(self, address: str, now: datetime) -> None:
        with self._counting:
            if len(self._failed) >= _ADDRESSES:
                self._failed.clear()
            recent = [at for at in self._failed.get(address, ()) if now - at < _PER]
            self._failed[address] = [*recent, now][-_ATTEMPTS:]


def _is_of_access(path: str) -> bool:
    return path.startswith("access/") or path.endswith("/access.json")
