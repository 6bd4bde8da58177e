"""The plan of a purge: the record stays and says that its files are gone for good.

The pointers stay, too: what the files were called, how large they were and their
digests are part of what happened. The bytes are removed once this is recorded, as
far as nothing else uses them (`service.purging`).
"""

from __future__ import annotations

from dataclasses import replace

from muster.domain import changes as c
from muster.domain import codec
from muster.domain.errors import Conflict, Immutable
from muster.domain.filing import places
from muster.domain.names import deployment_path
from muster.domain.plan import check_expected, file_of_version, live_version, plan
from muster.domain.snapshot import Plan, Snapshot


@plan.register
def _(change: c.Purge, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    check_expected(before.version_touched(change.model, change.number), change.expected)
    if version.purged:
        return Plan("", change.model, change.number)
    if version.state == "pending":
        raise Conflict(f"{version.model_id} is pending: take its files out, or delete it")
    if not version.files:
        raise Conflict(f"{version.model_id} has no files here that could be purged")
    if there := places(before, change.model, change.number):
        raise Immutable(f"{version.model_id} is deployed in {', '.join(there)}; undeploy it first")
    edits = dict([file_of_version(replace(version, purged=True))])
    for deployment in before.deployments_of(change.model):
        earlier = tuple(e for e in deployment.earlier if e.version != change.number)
        if earlier != deployment.earlier:  # nobody can go back to it
            path = deployment_path(deployment.environment, change.model)
            edits[path] = codec.encode(codec.deployment_to_dict(replace(deployment, earlier=earlier)))
    subject = f"Purge the files of {version.model} {version.label or version.number}"
    return Plan(subject, change.model, change.number, edits=edits)
