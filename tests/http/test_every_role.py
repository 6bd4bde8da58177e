"""Every endpoint times every role: what each may, and that no endpoint is forgotten."""

from __future__ import annotations

from typing import Any, Final

import httpx
import pytest

from muster.domain.access import Right
from tests.http.test_access import Guarded, guarded

__all__ = ["guarded"]  # a fixture

ROLES: Final = {
    "": Right.NONE,
    "viewer": Right.READ,
    "contributor": Right.WRITE,
    "deployer": Right.DEPLOY,
    "maintainer": Right.MANAGE,
    "admin": Right.ADMIN,
}
ANY: Final = Right.NONE  # whoever is logged in; lists hold what they may see
M, V = "/api/v1/models/{model}", "/api/v1/models/{model}/versions/{version}"
HOOK: Final = {"name": "hook", "url": "https://93.184.215.14/x"}
POLICY: Final = {"expression": "true", "message": "no", "on": ["deploy"]}
EVALUATION: Final = {"metrics": {"auc": 0.9}}
NEW: Final = {"name": "new", "version": "v1", "description": "d", "training_data": "t"}

# Method and path → the right it takes on the registry, and a body. Writes are dry runs where there are such.
TABLE: Final[dict[tuple[str, str], tuple[Right, Any]]] = {
    ("GET", "/api/v1/accounts"): (ANY, None),
    ("POST", "/api/v1/accounts"): (Right.ADMIN, {"id": "carl"}),
    ("GET", "/api/v1/accounts/{account}"): (Right.READ, None),
    ("PATCH", "/api/v1/accounts/{account}"): (Right.ADMIN, {"disabled": True}),
    ("GET", "/api/v1/bans"): (ANY, None),
    ("GET", "/api/v1/changes"): (ANY, None),
    ("GET", "/api/v1/changes/{commit}"): (Right.READ, None),
    ("GET", "/api/v1/deployments"): (ANY, None),
    ("GET", "/api/v1/deployments/{environment}/{model}"): (Right.READ, None),
    ("PUT", "/api/v1/deployments/{environment}/{model}"): (Right.DEPLOY, {"version": "v2"}),
    ("DELETE", "/api/v1/deployments/{environment}/{model}"): (Right.DEPLOY, None),
    ("GET", "/api/v1/deployments/{environment}/{model}/desired"): (Right.READ, None),
    ("POST", "/api/v1/deployments/{environment}/{model}/rollback"): (Right.DEPLOY, {"empty": True}),
    ("GET", "/api/v1/environments"): (ANY, None),
    ("POST", "/api/v1/environments"): (Right.MANAGE, {"name": "edge", "target": "external"}),
    ("GET", "/api/v1/environments/{environment}"): (ANY, None),
    ("PATCH", "/api/v1/environments/{environment}"): (Right.MANAGE, {"description": "new"}),
    ("GET", "/api/v1/me"): (ANY, None),
    ("GET", "/api/v1/models"): (ANY, None),
    ("POST", "/api/v1/models"): (Right.WRITE, {"name": "new"}),
    ("GET", M): (Right.READ, None),
    ("DELETE", M): (Right.MANAGE, None),
    ("PATCH", M): (Right.WRITE, {"description": "new"}),
    ("GET", f"{M}/aliases"): (Right.READ, None),
    ("PUT", f"{M}/aliases/{{alias}}"): (Right.WRITE, {"version": "v2"}),
    ("DELETE", f"{M}/aliases/{{alias}}"): (Right.WRITE, None),
    ("GET", f"{M}/blame"): (Right.READ, None),
    ("GET", f"{M}/changelog"): (Right.READ, None),
    ("POST", f"{M}/rename"): (Right.MANAGE, {"name": "other"}),
    ("GET", f"{M}/served"): (Right.READ, None),
    ("GET", f"{M}/versions"): (Right.READ, None),
    ("POST", f"{M}/versions"): (Right.WRITE, {"version": "v9"}),
    ("GET", V): (Right.READ, None),
    ("DELETE", V): (Right.MANAGE, None),
    ("PATCH", V): (Right.WRITE, {"description": "new"}),
    ("GET", f"{V}/blame"): (Right.READ, None),
    ("GET", f"{V}/evaluations"): (Right.READ, None),
    ("POST", f"{V}/evaluations"): (Right.WRITE, EVALUATION),
    ("GET", f"{V}/files"): (Right.READ, None),
    ("GET", f"{V}/history"): (Right.READ, None),
    ("GET", f"{V}/lacks"): (Right.READ, None),
    ("POST", f"{V}/notes"): (Right.WRITE, {"message": "seen"}),
    ("PUT", f"{V}/stage"): (Right.WRITE, {"stage": "archived"}),
    ("GET", "/api/v1/policies"): (ANY, None),
    ("PUT", "/api/v1/policies/{policy}"): (Right.ADMIN, POLICY),
    ("GET", "/api/v1/proposals"): (ANY, None),
    ("GET", "/api/v1/requirements"): (ANY, None),
    ("GET", "/api/v1/retractions"): (ANY, None),
    ("GET", "/api/v1/reviews"): (ANY, None),
    ("GET", "/api/v1/roles"): (ANY, None),
    ("PUT", "/api/v1/roles"): (Right.ADMIN, {"subject": "ann", "roles": ["viewer"]}),
    ("GET", "/api/v1/teams"): (ANY, None),
    ("POST", "/api/v1/teams"): (Right.ADMIN, {"name": "ops"}),
    ("GET", "/api/v1/teams/{team}"): (Right.READ, None),
    ("PATCH", "/api/v1/teams/{team}"): (Right.MANAGE, {"description": "new"}),
    ("DELETE", "/api/v1/teams/{team}"): (Right.ADMIN, None),
    ("GET", "/api/v1/tokens"): (ANY, None),
    ("GET", "/api/v1/versions"): (ANY, None),
    ("GET", "/api/v1/webhooks"): (Right.ADMIN, None),
    ("POST", "/api/v1/webhooks"): (Right.ADMIN, HOOK),
    ("GET", "/api/v1/mirror"): (Right.READ, None),
    ("GET", "/metrics"): (ANY, None),
    ("GET", "/models"): (ANY, None),
    ("POST", "/models"): (Right.WRITE, NEW),
    ("GET", "/models/{model_id}"): (Right.READ, None),
    ("GET", "/models/{model_id}/history"): (Right.READ, None),
    ("POST", "/models/{model_id}/deploy"): (Right.DEPLOY, {"environment": "staging"}),
    ("POST", "/models/{model_id}/rollback"): (Right.DEPLOY, {"environment": "production", "empty": True}),
}
# Judged elsewhere, each by tests of its own: what is not about a role, streams, and what takes a story.
ELSEWHERE: Final = (
    *("/healthz", "/readyz", "/api/v1/access", "/api/v1/login", "/api/v1/events", "/api/v1/resolve"),
    *("/api/v1/history", "/api/v1/operations", "/api/v1/tokens", "/api/v1/checkpoints", "/api/v1/exports"),
    *("/api/v1/proposals", "/api/v1/reviews", "/api/v1/requirements", "/api/v1/retractions"),
    *("/api/v1/bans", "/api/v1/uses", "/api/v1/policies", "/api/v1/webhooks", "/api/v1/releases"),
    *("/api/v1/compare", "/api/v1/restorations", "/api/v1/mirror", "/api/v1/environments"),
    *(f"{V}/purge", f"{V}/files", f"{V}/finalize", f"{V}/evaluations", f"{M}/changelog"),
    *("/api/v1/deployments/{environment}/{model}/observed", f"{M}/restore"),
)


@pytest.fixture(scope="module")
def clients(guarded: Guarded) -> dict[str, httpx.Client]:
    """A client for each role on the registry, and the things that the paths name."""
    guarded.register("digits")
    guarded.ask("POST", "/models", json={**NEW, "name": "digits", "version": "v2"})
    guarded.ask("POST", "/models/digits_v1/deploy", json={"environment": "production"})
    guarded.ask("PUT", "/api/v1/models/digits/aliases/champion", json={"version": "v1"})
    guarded.ask("POST", "/api/v1/accounts", json={"id": "ann"})
    guarded.ask("POST", "/api/v1/teams", json={"name": "nlp"})
    return {role: guarded.person(*([role] if role else []))[1] for role in ROLES}


def path_of(guarded: Guarded, template: str) -> str:
    commit = guarded.ask("GET", "/models/digits_v1/history").json()["history"][0]["commit"]
    names = {"model": "digits", "version": "v2", "model_id": "digits_v1", "environment": "production"}
    names |= {"alias": "champion", "account": "ann", "team": "nlp", "commit": commit, "policy": "p"}
    return template.format(**names)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "template"), TABLE, ids=[" ".join(each) for each in TABLE])
def test_each_role_may_what_the_table_says(
    guarded: Guarded, clients: dict[str, httpx.Client], method: str, template: str, role: str
) -> None:
    needed, body = TABLE[method, template]
    head = guarded.server.home.registry.index.head()
    params = {} if method == "GET" or template == "/models" else {"dry_run": "true"}
    path = path_of(guarded, template)
    answer = clients[role].request(method, path, params=params, json=body)
    if ROLES[role] >= needed:
        assert answer.status_code < 400 or "mirror" in path, answer.text
    elif answer.status_code == 200:  # a dry run of what would be refused says so
        assert answer.json()["objections"], answer.text
    else:
        assert answer.status_code in (403, 404), answer.text
        assert guarded.server.home.registry.index.head() == head
    assert httpx.request(method, guarded.server.url + path, json=body).status_code == 401


def test_no_endpoint_is_forgotten(guarded: Guarded) -> None:
    document = guarded.admin.get("/schema/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in {"get", "post", "put", "patch", "delete"} & methods.keys():
            known = (method.upper(), path) in TABLE
            assert known or path.startswith(ELSEWHERE), f"{method} {path} is in no table"
