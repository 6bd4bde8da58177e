"""What a command's exit code says, and what to try next.

0   it worked
1   something unexpected went wrong
2   the request is wrong: a value, an option
3   nothing goes by that name
4   the present state is in the way
5   a rule forbids it, or nobody knows who you are
6   the version did not start; what was deployed goes on serving
7   not just now: no server, a full disk, a missing part
8   it waits: others have to approve it first
"""

from __future__ import annotations

from typing import Final

from muster.domain import errors
from muster.domain.errors import MusterError

EXIT: Final[dict[type[MusterError], int]] = {
    MusterError: 1,
    errors.Invalid: 2,
    errors.NotFound: 3,
    errors.Conflict: 4,
    errors.Unauthenticated: 5,
    errors.TooManyAttempts: 5,
    errors.Denied: 5,
    errors.DidNotStart: 6,
    errors.Unavailable: 7,
    errors.ApprovalNeeded: 8,
}

_LISTED: Final = ("model", "version", "alias", "file")  # what `muster models` leads to
_NEXT: Final[dict[type[MusterError], str]] = {
    errors.NotFound: "`muster models` shows what there is",
    errors.ContentDiffers: "register it under a new version, or leave the version out to get a number",
    errors.UnderWay: "`muster status` shows when it has ended; then try again",
    errors.NotDeployedThere: "`muster status` shows what is deployed",
    errors.NothingToRestore: "`--to REF` names a version to go back to, `--empty` says that nothing is meant",
    errors.Incomplete: "--allow-missing goes on without it; what is missing stays listed by `muster verify`",
    errors.Unauthenticated: "`muster login URL --token TOKEN`, or MUSTER_TOKEN; an admin gives out tokens",
    errors.Stale: "look again with `muster show`, then decide again",
    errors.DidNotStart: "what was deployed goes on serving: `muster status`",
    errors.OutcomeUnknown: "`muster log` shows whether it was recorded; doing it again is safe",
    errors.StorageFull: "free some space; what serves goes on, and so do rollbacks",
}


def code_of(kind: type[MusterError]) -> int:
    """The exit code for an error of that class: its closest ancestor's."""
    return next(EXIT[cls] for cls in kind.__mro__ if cls in EXIT)


def advice(error: MusterError) -> str | None:
    """What to do next, if there is something."""
    if isinstance(error, errors.ApprovalNeeded) and error.proposal is not None:
        of = error.proposal
        return f"`muster proposals show {of}`; others approve it with `muster approve {of}`"
    if isinstance(error, errors.NotFound) and error.kind not in _LISTED:
        return None
    return next((_NEXT[cls] for cls in type(error).__mro__ if cls in _NEXT), None)
