"""A redaction put together: of a home that no server owns."""

from __future__ import annotations

from muster.bootstrap.folder import Folder
from muster.bootstrap.home import crash_at, open_home
from muster.domain.changes import Actor, Redact
from muster.domain.errors import Unavailable
from muster.gitstore.forgetting import forget
from muster.service.redacting import Redacted, Redactor
from muster.settings import Settings


def redact(settings: Settings, commit: str, field: str, reason: str, *, dry_run: bool = False) -> Redacted:
    """Take a text out of the home's history; see `Redactor.redact`. It is then nowhere in the home.

    Raises:
        Unavailable: what is left of it could not be removed; repeating a repack with Git does so.
    """
    with open_home(settings) as home:
        storage = home.storage
        redactor = Redactor(
            publisher=storage.store,
            index=storage.index,
            history=storage.history,
            follower=storage.follower,
            notary=home.notary,
            lock=storage.folder.writing,
            crash=crash_at(settings.crash_at),
        )
        done = redactor.redact(commit, field, settings.actor, reason, dry_run=dry_run)
        if dry_run:
            return done
        # Whoever may write to the home's folder asks nobody.
        actor = Actor(settings.actor, internal=True)
        home.registry.submit(Redact(done.change.position, field), actor, reason).result()
        home.notary.checkpoint()
        try:
            with storage.folder.writing():
                forget(storage.repository)
        except OSError as error:
            raise Unavailable(f"it is redacted, but what was there is still on the disk: {error}") from error
    _begin_index_anew(settings)
    return done


def _begin_index_anew(settings: Settings) -> None:
    """A database keeps what was deleted until something else takes its place."""
    path = Folder(settings.home).index
    for each in (path, *(path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))):
        each.unlink(missing_ok=True)
    with open_home(settings):
        pass
