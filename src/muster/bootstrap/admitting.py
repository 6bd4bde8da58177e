"""Who gets in: the first admin's token, and whose the registry is for who opens it without a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from muster.bootstrap import references
from muster.bootstrap.home import Home
from muster.credentials.oidc import Issuers, Provider
from muster.domain import access
from muster.domain.changes import Actor, BeginAccess
from muster.domain.errors import Unauthenticated
from muster.domain.granting import admins
from muster.service.entering import Entrance
from muster.service.observing import MUSTER
from muster.service.past import Past
from muster.service.registry import Registry
from muster.service.sights import SeenHistory
from muster.settings import Settings
from muster.settings.rules import is_loopback

ADMIN: Final = "admin"
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104  compared with, not listened on


def first_token(home: Home) -> str | None:
    """A token that is good for one request, of an admin, where access is controlled and no admin has one.

    Access is controlled from here on if the settings say so, or if others than this
    machine reach the server.
    """
    gate = home.gate
    if not gate.controlled():
        if is_loopback(home.settings.host) and not home.settings.access:
            return None
        home.registry.submit(BeginAccess(ADMIN), MUSTER, "the first start with access control").result()
    with home.registry.index.snapshot() as now:
        found = admins(now, access.grants_at(now, access.REGISTRY))
    if not found or any(not each.once for name in found for each in gate.credentials.of(name)):
        return None
    for name in found:
        gate.credentials.revoke_all(name)
    secret, _ = gate.give(found[0], note="first start", once=True)
    return secret


def entrance(home: Home) -> Entrance:
    """How people and programs come in by what others say of them."""
    settings, issuers = home.settings, Issuers()
    service = None
    if settings.oidc_issuer is not None:
        reference, surroundings = settings.oidc_client_secret, settings.surroundings
        service = Provider(
            issuers,
            settings.oidc_issuer,
            settings.oidc_client_id,
            lambda: references.found("oidc_client_secret", reference, surroundings),
            account=settings.oidc_account,
            groups=settings.oidc_groups,
        )
    return Entrance(
        home.registry,
        home.gate,
        service,
        issuers,
        audience=settings.oidc_audience,
        makes_accounts=settings.oidc_makes_accounts,
    )


def names_of(settings: Settings) -> Sequence[str]:
    """The names that a request's Host may hold, beside those of the loopback interface."""
    if is_loopback(settings.host) or settings.host in _EVERYWHERE:
        return settings.allowed_hosts
    own = f"[{settings.host}]" if ":" in settings.host else settings.host
    return (*settings.allowed_hosts, own)


def opened(home: Home) -> tuple[Registry, Past, Actor]:
    """The registry, its past, and who opens it without a server, by the token in the settings.

    While access is not controlled it is whoever the settings name, unverified.

    Raises:
        Unauthenticated: access is controlled, and there is no token, or one that is not known.
    """
    if not home.gate.controlled():
        return home.registry, home.past, Actor(home.settings.actor)
    if home.settings.token is None:
        raise Unauthenticated("access to this registry is controlled: set MUSTER_TOKEN to your token")
    actor, _ = home.gate.identify(home.settings.token)
    sight = home.gate.sight(actor)
    if sight is None:
        return home.registry, home.past, actor
    index = home.registry.index.seen_by(sight.models)
    history = SeenHistory(home.registry.history, sight)
    return home.registry.seen_through(index, history), Past(index, history), actor
