"""What can happen to a registry. Each becomes exactly one commit.

A change is made of values that are parsed already. `expected`, where there is
one, is the commit that the caller saw as the last one to touch the record:
`None` says "whatever it is now". One file a subject; all names are here.
"""

from __future__ import annotations

from typing import Final

from muster.domain.changes.access import (
    BeginAccess,
    DeleteTeam,
    Scope,
    SetAccount,
    SetRoles,
    SetTeam,
)
from muster.domain.changes.banning import (
    Ban,
    LiftBan,
    Purge,
    ReinstateData,
    RetractData,
)
from muster.domain.changes.base import (
    UNSET,
    Actor,
    Auth,
    Change,
    Limits,
    Unset,
)
from muster.domain.changes.evaluating import DeleteRequirement, Evaluate, SetRequirement
from muster.domain.changes.placing import (
    AttemptFailed,
    DeleteEnvironment,
    Deploy,
    Initialize,
    Observe,
    RollBack,
    SetEnvironment,
    Undeploy,
)
from muster.domain.changes.policies import DeletePolicy, SetPolicy
from muster.domain.changes.proposing import (
    Decide,
    Lapse,
    Propose,
    ReviewBreakGlass,
    Verdict,
    Withdraw,
)
from muster.domain.changes.redacting import Redact
from muster.domain.changes.registering import (
    AttachFile,
    CreateModel,
    DeleteModel,
    DeleteVersion,
    DetachFile,
    Facts,
    Finalize,
    Note,
    RegisterVersion,
    RenameModel,
    SetAlias,
    SetStage,
    TagModel,
    UpdateModel,
    UpdateVersion,
)
from muster.domain.changes.releasing import Release, ReleaseBack

KINDS: Final = tuple(sorted({change.kind for change in Change.__subclasses__()}))

__all__ = [
    "KINDS",
    "UNSET",
    "Actor",
    "AttachFile",
    "AttemptFailed",
    "Auth",
    "Ban",
    "BeginAccess",
    "Change",
    "CreateModel",
    "Decide",
    "DeleteEnvironment",
    "DeleteModel",
    "DeletePolicy",
    "DeleteRequirement",
    "DeleteTeam",
    "DeleteVersion",
    "Deploy",
    "DetachFile",
    "Evaluate",
    "Facts",
    "Finalize",
    "Initialize",
    "Lapse",
    "LiftBan",
    "Limits",
    "Note",
    "Observe",
    "Propose",
    "Purge",
    "Redact",
    "RegisterVersion",
    "ReinstateData",
    "Release",
    "ReleaseBack",
    "RenameModel",
    "RetractData",
    "ReviewBreakGlass",
    "RollBack",
    "Scope",
    "SetAccount",
    "SetAlias",
    "SetEnvironment",
    "SetPolicy",
    "SetRequirement",
    "SetRoles",
    "SetStage",
    "SetTeam",
    "TagModel",
    "Undeploy",
    "Unset",
    "UpdateModel",
    "UpdateVersion",
    "Verdict",
    "Withdraw",
]
