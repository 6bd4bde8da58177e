"""Access over HTTP: who is let in, what each sees and may do, through every door."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from muster.domain.changes import BeginAccess
from muster.domain.errors import Unauthenticated
from muster.service.observing import MUSTER
from tests.live import Live, fresh, live


@dataclass(frozen=True)
class Guarded:
    """A server with access controlled, and an admin's client."""

    server: Live
    admin: httpx.Client
    opened: ExitStack

    def client(self, secret: str) -> httpx.Client:
        """A client that comes with that token."""
        headers = {"authorization": f"Bearer {secret}"}
        return self.opened.enter_context(httpx.Client(base_url=self.server.url, headers=headers))

    def person(self, *roles: str, **place: str) -> tuple[str, httpx.Client]:
        """A new account with those roles there, and its client."""
        name = fresh("person")
        self.ask("POST", "/api/v1/accounts", json={"id": name})
        if roles:
            self.ask("PUT", "/api/v1/roles", json={"subject": name, "roles": list(roles), **place})
        secret = self.ask("POST", "/api/v1/tokens", json={"account": name}).json()["token"]
        return name, self.client(secret)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """What the admin asks, which must go well."""
        answer = self.admin.request(method, path, **more)
        assert answer.status_code < 400, answer.text
        return answer

    def register(self, name: str, **fields: Any) -> str:
        body = {"name": name, "version": "v1", "description": "d", "training_data": "t", **fields}
        return str(self.ask("POST", "/models", json=body).json()["model_id"])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with live(tmp_path_factory.mktemp("home") / "registry") as server:
        server.home.registry.submit(BeginAccess("root"), MUSTER).result()
        secret, _ = server.home.gate.give("root")
        admin = httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {secret}"})
        with admin, ExitStack() as opened:
            yield Guarded(server, admin, opened)


class TestIdentity:
    def test_without_a_token_nothing_is_told_and_how_to_say_who_one_is(self, guarded: Guarded) -> None:
        for path in ("/models", "/api/v1/changes", "/metrics", "/api/v1/accounts"):
            answer = httpx.get(guarded.server.url + path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "MUSTER_TOKEN" in answer.text
        assert httpx.get(f"{guarded.server.url}/healthz").status_code == 200

    def test_a_page_leads_to_the_log_in(self, guarded: Guarded) -> None:
        answer = httpx.get(f"{guarded.server.url}/m/x", headers={"accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?to=/m/x")

    def test_the_commit_names_who_the_token_is_of_whatever_a_header_says(self, guarded: Guarded) -> None:
        name, client = guarded.person("contributor")
        body = {"name": fresh(), "version": "v1", "description": "d", "training_data": "t"}
        assert client.post("/models", json=body, headers={"x-muster-actor": "root"}).status_code == 403
        answer = client.post("/models", json=body)
        changes = client.get("/api/v1/changes", params={"actor": name}).json()["items"]
        assert [each["model"] for each in changes] == [body["name"]]
        assert changes[0]["verified"]
        assert answer.status_code == 201

    def test_the_password_of_basic_credentials_is_the_token(self, guarded: Guarded) -> None:
        name, client = guarded.person("viewer")
        secret = client.headers["authorization"].removeprefix("Bearer ")
        answer = httpx.get(f"{guarded.server.url}/api/v1/me", auth=("whoever", secret))
        assert answer.json() == {
            "id": name,
            "controlled": True,
            "proven": True,
            "kind": "person",
            "teams": [],
            "roles": ["viewer"],
        }

    def test_a_revoked_token_is_good_for_nothing_at_once(self, guarded: Guarded) -> None:
        name, client = guarded.person("viewer")
        (token,) = guarded.ask("GET", "/api/v1/tokens", params={"account": name}).json()["items"]
        assert client.get("/models").status_code == 200
        guarded.ask("DELETE", f"/api/v1/tokens/{token['id']}")
        assert client.get("/models").status_code == 401

    def test_a_disabled_account_is_out_at_once_and_what_it_owned_is_listed(self, guarded: Guarded) -> None:
        name, client = guarded.person("contributor")
        model = fresh()
        guarded.register(model, owner=name)
        guarded.ask("POST", "/api/v1/accounts", json={"id": fresh("bot"), "kind": "service", "owner": name})
        answer = guarded.ask("PATCH", f"/api/v1/accounts/{name}", json={"disabled": True})
        assert answer.json()["handing_over"]["models"] == [model]
        assert len(answer.json()["handing_over"]["service_accounts"]) == 1
        assert client.get("/models").status_code == 401
        assert guarded.ask("GET", "/api/v1/tokens", params={"account": name}).json()["count"] == 0

    def test_secrets_are_shown_once_and_kept_as_digests_only(self, guarded: Guarded) -> None:
        answer = guarded.ask("POST", "/api/v1/tokens", json={"note": "mine", "days": 1})
        secret = answer.json()["token"]
        kept = guarded.server.home.storage.folder.path / "secrets" / "credentials.db"
        assert secret.encode() not in kept.read_bytes()
        assert secret not in guarded.ask("GET", "/api/v1/tokens").text
        assert kept.stat().st_mode & 0o077 == 0
        log = subprocess.run(
            ["git", "log", "-p"],
            cwd=guarded.server.home.storage.folder.repository,
            capture_output=True,
            check=True,
        )
        assert secret.encode() not in log.stdout

    def test_a_token_that_is_good_once_lets_one_of_many_in(self, guarded: Guarded) -> None:
        gate = guarded.server.home.gate
        secret, _ = gate.give("root", once=True)

        def enter(number: int) -> bool:
            try:
                return gate.identify(secret, f"192.0.2.{100 + number}")[0].name == "root"
            except Unauthenticated:
                return False

        with ThreadPoolExecutor(8) as threads:
            assert sorted(threads.map(enter, range(8))) == [False] * 7 + [True]

    def test_failed_attempts_are_limited_and_others_are_let_in(self, guarded: Guarded) -> None:
        gate = guarded.server.home.gate
        for _ in range(10):
            with pytest.raises(Exception, match="not known here"):
                gate.identify("muster_000000000000_wrong", "192.0.2.1")
        with pytest.raises(Exception, match="too many attempts"):
            gate.identify("muster_000000000000_wrong", "192.0.2.1")
        assert guarded.admin.get("/models").status_code == 200


class TestTokens:
    def test_a_token_is_good_for_its_limits_and_no_more(self, guarded: Guarded) -> None:
        one, other = fresh(), fresh()
        guarded.register(one)
        guarded.register(other)
        limits = {"role": "contributor", "models": [one]}
        secret = guarded.ask("POST", "/api/v1/tokens", json={"limits": limits}).json()["token"]
        client = guarded.client(secret)
        assert client.get("/models").json()["models"] == [f"{one}_v1"]
        assert client.get(f"/models/{other}_v1").json() == {"error": "Model not found"}
        assert client.post(f"/models/{one}_v1/deploy").status_code == 403
        more = client.post("/api/v1/tokens", json={"limits": {"role": "admin", "models": [one]}})
        assert more.status_code == 403

    def test_whose_token_it_is_is_for_its_owner_and_admins(self, guarded: Guarded) -> None:
        name, client = guarded.person("viewer")
        other, _ = guarded.person("viewer")
        assert client.post("/api/v1/tokens", json={"account": other}).status_code == 403
        assert client.get("/api/v1/tokens", params={"account": other}).status_code == 403
        own = client.post("/api/v1/tokens", json={"note": "mine"})
        assert (own.status_code, own.json()["account"]) == (201, name)
        (token, *_) = guarded.ask("GET", "/api/v1/tokens", params={"account": other}).json()["items"]
        assert client.delete(f"/api/v1/tokens/{token['id']}").status_code == 404

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"days": 0}, "days"),
            ({"days": "soon"}, "days"),
            ({"limits": {"role": "king"}}, "limits.role"),
            ({"limits": {"models": "all"}}, "limits.models"),
            ({"account": "no one"}, "account"),
            ({"lasting": True}, "lasting"),
        ],
    )
    def test_bad_input_names_the_field(self, guarded: Guarded, body: dict[str, Any], field: str) -> None:
        answer = guarded.admin.post("/api/v1/tokens", json=body)
        assert answer.status_code == 400
        assert answer.json()["problems"][0]["field"] == field


class TestSight:
    def test_what_is_hidden_is_missing_everywhere(self, guarded: Guarded) -> None:
        seen, hidden = fresh(), fresh()
        guarded.register(seen)
        guarded.register(hidden)
        _, client = guarded.person("viewer", scope="model", name=seen)
        assert client.get("/models").json() == {"models": [f"{seen}_v1"], "count": 1}
        listed = client.get("/api/v1/models").json()
        assert ([each["name"] for each in listed["items"]], listed["count"]) == ([seen], 1)
        versions = client.get("/api/v1/versions").json()
        assert {each["name"] for each in versions["items"]} == {seen}
        changes = client.get("/api/v1/changes", params={"limit": 1000}).json()
        assert {each.get("model") for each in changes["items"]} <= {seen, None}
        assert changes["count"] == len(changes["items"])
        assert not {each["change"] for each in changes["items"]} & {"account", "team"}
        for path in (
            f"/models/{hidden}_v1",
            f"/models/{hidden}_v1/history",
            f"/api/v1/models/{hidden}",
            f"/api/v1/models/{hidden}/versions/v1",
            f"/api/v1/models/{hidden}/versions/v1/files",
            f"/api/v1/models/{hidden}?at=2999-01-01T00:00:00Z",
            f"/api/v1/deployments/production/{hidden}",
            f"/m/{hidden}",
        ):
            assert client.get(path).status_code == 404, path
        commit = guarded.ask("GET", f"/models/{hidden}_v1/history").json()["history"][0]["commit"]
        assert client.get(f"/api/v1/changes/{commit}").status_code == 404

    def test_a_page_lists_what_is_in_sight(self, guarded: Guarded) -> None:
        seen, hidden = fresh(), fresh()
        guarded.register(seen)
        guarded.register(hidden)
        _, client = guarded.person("viewer", scope="model", name=seen)
        text = client.get("/", headers={"accept": "text/html"}).text
        assert seen in text
        assert hidden not in text

    def test_a_renamed_model_keeps_its_past_in_sight(self, guarded: Guarded) -> None:
        name, new = fresh(), fresh()
        guarded.register(name)
        _, client = guarded.person("viewer", scope="model", name=name)
        registry = guarded.server.home.registry
        registry.submit(registry.renaming(name, new), MUSTER).result()
        found = client.get("/api/v1/changes", params={"limit": 1000}).json()["items"]
        assert {each["change"] for each in found if each.get("model")} >= {"register", "rename"}

    def test_what_a_team_owns_comes_into_sight_with_its_role(self, guarded: Guarded) -> None:
        team, model = fresh("team"), fresh()
        name, client = guarded.person()
        guarded.ask("POST", "/api/v1/teams", json={"name": team, "members": [name]})
        guarded.register(model, owner=f"team:{team}")
        assert client.get("/models").json()["count"] == 0
        roles = {"subject": f"team:{team}", "roles": ["viewer"], "scope": "team", "name": team}
        guarded.ask("PUT", "/api/v1/roles", json=roles)
        assert client.get("/models").json()["models"] == [f"{model}_v1"]
        guarded.ask("PATCH", f"/api/v1/teams/{team}", json={"remove": [name]})
        assert client.get("/models").json()["count"] == 0


class TestOtherDoors:
    def test_mlflow_is_told_in_its_own_words(self, guarded: Guarded) -> None:
        path = "/api/2.0/mlflow/registered-models/search"
        answer = httpx.get(guarded.server.url + path)
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
        seen, hidden = fresh(), fresh()
        guarded.register(seen)
        guarded.register(hidden)
        _, client = guarded.person("viewer", scope="model", name=seen)
        found = client.get(path).json()["registered_models"]
        assert [each["name"] for each in found] == [seen]
        one = client.get("/api/2.0/mlflow/registered-models/get", params={"name": hidden})
        assert one.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
        made = client.post("/api/2.0/mlflow/registered-models/create", json={"name": fresh()})
        assert (made.status_code, made.json()["error_code"]) == (403, "PERMISSION_DENIED")

    def test_files_for_later_are_kept_by_who_may_register(self, guarded: Guarded) -> None:
        where = f"/api/2.0/mlflow-artifacts/artifacts/{fresh()}/x"
        _, viewer = guarded.person("viewer")
        _, contributor = guarded.person("contributor")
        assert viewer.put(where, content=b"x").status_code == 403
        assert contributor.put(where, content=b"x").status_code == 200
        assert viewer.get(where).status_code == 403
        assert contributor.get(where).content == b"x"

    def test_what_is_served_is_for_who_may_see_it(self, guarded: Guarded) -> None:
        name = fresh()
        Live(guarded.server.url, guarded.server.home, guarded.admin).upload(name, "v1")
        guarded.ask("POST", f"/models/{name}_v1/deploy", json={"environment": "staging"})
        path = f"/serve/staging/{name}/v2/health/ready"
        assert httpx.get(guarded.server.url + path).status_code == 401
        _, stranger = guarded.person()
        assert stranger.get(path).status_code == 404
        _, viewer = guarded.person("viewer", scope="model", name=name)
        assert viewer.get(path).status_code == 200
        limits = {"role": None, "environments": ["staging"]}
        secret = guarded.ask("POST", "/api/v1/tokens", json={"limits": limits}).json()["token"]
        predicting = guarded.client(secret)
        assert predicting.get(path).status_code == 200
        assert predicting.get("/models").json()["count"] == 0
        for public, status in ((True, 200), (None, 401)):
            guarded.ask("PATCH", "/api/v1/environments/staging", json={"rules": {"public": public}})
            assert httpx.get(guarded.server.url + path).status_code == status
        guarded.ask("POST", f"/models/{name}_v1/rollback", json={"environment": "staging", "empty": True})


class TestBeginning:
    def test_access_is_begun_over_http_by_who_names_the_first_admin(self, tmp_path: Any) -> None:
        with live(tmp_path / "registry") as server:
            model_id = server.register("digits")
            answer = server.http.post("/api/v1/access", json={"admin": "ada"})
            assert answer.status_code == 201
            assert server.http.get("/models").status_code == 401
            with httpx.Client(
                base_url=server.url, headers={"authorization": f"Bearer {answer.json()['token']}"}
            ) as ada:
                assert ada.get("/models").json()["models"] == [model_id]
                assert ada.post("/api/v1/access", json={"admin": "bob"}).status_code == 409
                assert ada.get("/api/v1/me").json()["roles"] == ["admin"]


class TestProof:
    def test_statements_are_for_who_sees_the_whole_registry(self, guarded: Guarded) -> None:
        _, auditor = guarded.person("viewer", scope="registry")
        _, nobody = guarded.person()
        assert auditor.post("/api/v1/checkpoints").status_code in (200, 201)
        assert auditor.get("/api/v1/checkpoints").json()["items"]
        assert auditor.get("/api/v1/checkpoints/file").status_code == 200
        for method, path in (("POST", ""), ("GET", ""), ("GET", "/file")):
            refused = nobody.request(method, f"/api/v1/checkpoints{path}")
            assert refused.status_code == 403
            assert "viewer on the registry" in refused.text
        assert nobody.get("/api/v1/checkpoints/key").json() == auditor.get("/api/v1/checkpoints/key").json()

    def test_an_export_holds_what_one_may_see_and_its_signature_says_so(self, guarded: Guarded) -> None:
        mine, others = fresh(), fresh()
        guarded.register(mine)
        guarded.register(others)
        _, client = guarded.person("viewer", scope="model", name=mine)
        _, auditor = guarded.person("viewer", scope="registry")
        text = client.get("/api/v1/exports/audit").text
        assert mine in text
        assert others not in text
        assert client.get("/api/v1/exports/audit/signature").json()["asked"]["sight"] == "part"
        assert "sight" not in auditor.get("/api/v1/exports/audit/signature").json()["asked"]
        assert client.get(f"/api/v1/models/{others}/changelog").status_code == 404
        assert client.get(f"/api/v1/models/{mine}/changelog").text.startswith(f"# Changelog of {mine}")
