"""Logging in through a log-in service that speaks OpenID Connect, which runs beside, and as a CI job does."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from muster.domain.changes import BeginAccess, SetTeam
from muster.service.observing import MUSTER
from tests.http.test_access import Guarded
from tests.live import live
from tests.serving import wait_for

ADA: dict[str, Any] = {"sub": "u-1", "preferred_username": "ada", "name": "A. L.", "groups": ["risk"]}
ADA |= {"email": "ada@x.example"}
EVE = {"sub": "u-2", "preferred_username": "root", "groups": []}


@contextmanager
def provider() -> Iterator[str]:
    """The address of a log-in service with two people."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    people = [part for each in (ADA, EVE) for part in ("--user-claims", json.dumps(each))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *people]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(url), bool)
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/jwks").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with provider() as url:
        yield url


@pytest.fixture(scope="module")
def guarded(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    settings = {
        "oidc_issuer": service,
        "oidc_client_secret": "env:OIDC_SECRET",
        "surroundings": {"OIDC_SECRET": "s3cret"},
    }
    with live(tmp_path_factory.mktemp("home") / "registry", **settings) as server:
        server.home.registry.submit(BeginAccess("root"), MUSTER).result()
        secret, _ = server.home.gate.give("root")
        headers = {"authorization": f"Bearer {secret}"}
        with httpx.Client(base_url=server.url, headers=headers) as admin, ExitStack() as opened:
            found = Guarded(server, admin, opened)
            trusts = [{"issuer": service, "subject": "repo:digits:*"}]
            body = {"id": "ci", "kind": "service", "owner": "root", "trusts": trusts}
            found.ask("POST", "/api/v1/accounts", json=body)
            found.ask("PUT", "/api/v1/roles", json={"subject": "ci", "roles": ["contributor"]})
            yield found


def log_in(guarded: Guarded, browser: httpx.Client, subject: str, to: str = "/") -> httpx.Response:
    """What a browser does: away to the service, the person says who they are, and back."""
    away = browser.get("/login/service", params={"to": to})
    assert away.status_code == 303
    said = httpx.post(away.headers["location"], data={"sub": subject})
    assert said.status_code == 302, said.text
    back = urlsplit(said.headers["location"])
    return browser.get(f"{back.path}?{back.query}")


def id_token(service: str, subject: str, audience: str) -> str:
    """A token that the service signs for `audience`, as a CI system gives its jobs."""
    there = {"client_id": audience, "redirect_uri": "http://127.0.0.1/x", "response_type": "code"}
    asked = {**there, "scope": "openid", "state": "s", "nonce": "n"}
    said = httpx.post(f"{service}/oauth2/authorize", params=asked, data={"sub": subject})
    code = parse_qs(urlsplit(said.headers["location"]).query)["code"][0]
    body = {"grant_type": "authorization_code", "code": code, "redirect_uri": there["redirect_uri"]}
    answer = httpx.post(f"{service}/oauth2/token", data=body, auth=(audience, "x"))
    return str(answer.json()["id_token"])


class TestPeople:
    def test_who_logs_in_gets_an_account_its_teams_and_a_session(self, guarded: Guarded) -> None:
        registry = guarded.server.home.registry
        registry.submit(SetTeam("risk", create=True, claims=("risk",)), MUSTER).result()
        guarded.ask("PUT", "/api/v1/roles", json={"subject": "team:risk", "roles": ["viewer"]})
        with httpx.Client(base_url=guarded.server.url) as browser:
            answer = log_in(guarded, browser, "u-1", "/environments")
            assert (answer.status_code, answer.headers["location"]) == (303, "/environments")
            assert re.search(r"muster_session=muster_\w+", answer.headers["set-cookie"])
            assert "HttpOnly" in answer.headers["set-cookie"]
            me = browser.get("/api/v1/me").json()
            assert (me["id"], me["teams"], me["roles"]) == ("ada", ["risk"], ["viewer"])
            page = browser.get("/environments", headers={"accept": "text/html"})
            assert page.status_code == 200
        profile = guarded.server.home.gate.credentials.profile("ada")
        assert profile is not None
        assert profile.email == "ada@x.example"
        repository = guarded.server.home.storage.folder.repository
        log = subprocess.run(["git", "log", "-p"], cwd=repository, capture_output=True, check=True)
        assert b"ada@x.example" not in log.stdout
        assert b"A. L." not in log.stdout

    def test_the_name_of_an_account_that_is_there_is_not_taken(self, guarded: Guarded) -> None:
        with httpx.Client(base_url=guarded.server.url) as browser:
            answer = log_in(guarded, browser, "u-2")
            assert answer.status_code == 403
            assert "the account root is somebody else" in answer.text
            assert "muster_session" not in answer.headers.get("set-cookie", "")

    def test_another_browser_cannot_come_back(self, guarded: Guarded) -> None:
        with (
            httpx.Client(base_url=guarded.server.url) as one,
            httpx.Client(base_url=guarded.server.url) as other,
        ):
            away = one.get("/login/service")
            said = httpx.post(away.headers["location"], data={"sub": "u-1"})
            back = urlsplit(said.headers["location"])
            other.get("/login")
            answer = other.get(f"{back.path}?{back.query}")
            assert answer.status_code == 403
            assert "not begun in this browser" in answer.text

    def test_going_out_ends_the_session(self, guarded: Guarded) -> None:
        with httpx.Client(base_url=guarded.server.url) as browser:
            log_in(guarded, browser, "u-1")
            form = browser.get("/you", headers={"accept": "text/html"}).text
            found = re.search(r'name="token" value="([^"]+)"', form)
            assert found is not None
            session = browser.cookies["muster_session"]
            assert browser.post("/logout", data={"token": found[1]}).status_code == 303
            cookies = {"cookie": f"muster_session={session}"}
            assert httpx.get(f"{guarded.server.url}/models", headers=cookies).status_code == 401


class TestJobs:
    def test_a_job_comes_in_with_its_own_token_as_the_account_that_trusts_it(
        self, guarded: Guarded, service: str
    ) -> None:
        token = id_token(service, "repo:digits:main", "muster")
        answer = httpx.post(f"{guarded.server.url}/api/v1/login", json={"token": token, "issuer": service})
        assert answer.status_code == 201
        assert answer.json()["expires"] is not None
        client = guarded.client(answer.json()["token"])
        made = {"name": "by-ci", "version": "v1", "description": "d", "training_data": "t"}
        assert client.post("/models", json=made).status_code == 201
        (change,) = client.get("/api/v1/changes", params={"actor": "ci"}).json()["items"]
        assert change["verified"]

    @pytest.mark.parametrize(
        ("subject", "audience", "why"),
        [
            ("repo:other:main", "muster", "no service account here trusts"),
            ("repo:digits:main", "another", "not good here"),
        ],
    )
    def test_what_nobody_trusts_or_is_for_others_is_refused(
        self, guarded: Guarded, service: str, subject: str, audience: str, why: str
    ) -> None:
        token = id_token(service, subject, audience)
        answer = httpx.post(f"{guarded.server.url}/api/v1/login", json={"token": token, "issuer": service})
        assert answer.status_code == 401
        assert why in answer.text

    def test_a_forged_token_and_an_unknown_issuer_are_refused(self, guarded: Guarded, service: str) -> None:
        token = id_token(service, "repo:digits:main", "muster")
        head, payload, signature = token.split(".")
        forged = f"{head}.{payload}.{signature[:-4]}AAAA"
        path = f"{guarded.server.url}/api/v1/login"
        cases: list[dict[str, Any]] = [
            {"token": forged, "issuer": service},
            {"token": token, "issuer": "https://elsewhere.example"},
            {"token": "x", "issuer": service},
        ]
        assert [httpx.post(path, json=each).status_code for each in cases] == [401, 401, 401]
        assert httpx.post(path, json={"token": token, "issuer": "ftp://x"}).status_code == 400
