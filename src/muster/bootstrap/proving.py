"""Proof put together: the notary of a home."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from muster.bootstrap.folder import Folder
from muster.gitstore.published import RemoteCopy, is_remote
from muster.proof.kept import CopyFile, PendingFile, StatementFile
from muster.proof.keys import KeyFile
from muster.service.follow import Follower
from muster.service.notary import Copy, Notary
from muster.service.ports import Clock, History, Index
from muster.settings import Settings


def notary(
    settings: Settings, folder: Folder, *, index: Index, history: History, follower: Follower, clock: Clock
) -> Notary:
    """The home's notary."""
    places: list[Copy] = [
        RemoteCopy(folder.published, place, settings.surroundings)
        if is_remote(place)
        else CopyFile(Path(place))
        for place in settings.checkpoint_copies
    ]
    return Notary(
        index=index,
        history=history,
        follower=follower,
        signer=KeyFile(folder.checkpoint_key),
        kept=StatementFile(Path(settings.checkpoints) if settings.checkpoints else folder.checkpoints),
        pending=PendingFile(folder.pending_redaction),
        copies=places,
        clock=clock,
        lock=folder.writing,
    )


def every(settings: Settings) -> timedelta | None:
    """How often a checkpoint is made; None: never unasked."""
    return timedelta(seconds=settings.checkpoint_every_s) if settings.checkpoint_every_s else None
