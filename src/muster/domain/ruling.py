"""Plans for policies."""

from __future__ import annotations

from muster.domain import changes as c
from muster.domain import policies
from muster.domain.errors import NotFound
from muster.domain.plan import check_expected, plan
from muster.domain.snapshot import Plan, Snapshot


@plan.register
def _(change: c.SetPolicy, before: Snapshot) -> Plan:
    path = policies.policy_path(change.policy.name)
    check_expected(before.document_touched(path), change.expected)
    old, new = before.document(path), policies.to_bytes(change.policy)
    if old == new:
        return Plan("")
    return Plan(f"{'Create' if old is None else 'Change'} policy {change.policy.name}", edits={path: new})


@plan.register
def _(change: c.DeletePolicy, before: Snapshot) -> Plan:
    path = policies.policy_path(change.policy)
    if before.document(path) is None:
        raise NotFound("policy", change.policy)
    check_expected(before.document_touched(path), change.expected)
    return Plan(f"Delete policy {change.policy}", edits={path: None})
