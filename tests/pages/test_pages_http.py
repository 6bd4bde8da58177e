"""What goes over the wire with a page: policies, cookies, tokens, caching, sizes, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.live import Live, fresh, live

BROWSER = {"accept": "text/html,application/xhtml+xml", "accept-encoding": "gzip"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def browser(server: Live) -> Iterator[httpx.Client]:
    """A client that keeps cookies, as a browser does."""
    with httpx.Client(base_url=server.url, headers=BROWSER, timeout=60) as client:
        yield client


def token(page: httpx.Response) -> str:
    """What the forms of a page hold."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


class TestPolicies:
    def test_a_page_may_load_and_run_nothing_but_what_this_server_sends(self, browser: httpx.Client) -> None:
        headers = browser.get("/").headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; script-src 'self'"
        )
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"

    def test_no_page_has_script_or_style_in_it(self, server: Live, browser: httpx.Client) -> None:
        name = fresh()
        server.register(name)
        for path in ("/", f"/m/{name}", f"/m/{name}/v1", "/you", "/nowhere"):
            page = browser.get(path).text
            assert (
                re.findall(r"<style|\sstyle=|<script(?![^>]* src=)|\son\w+=|javascript:|data:[a-z]", page)
                == []
            )

    def test_styles_and_scripts_are_kept_for_ever_under_their_digest(self, browser: httpx.Client) -> None:
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', browser.get("/").text)
        assert len(files) >= 2
        for path in files:
            file = browser.get(path)
            assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
            again = browser.get(path, headers={"if-none-match": file.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        other = re.sub(r"\.[0-9a-f]{12}\.", ".0123456789ab.", files[0])
        assert browser.get(other).status_code == 404


class TestTokens:
    def test_a_form_is_taken_with_the_visitors_token(self, browser: httpx.Client) -> None:
        page = browser.get("/you")
        answer = browser.post("/you", data={"actor": "ml-7", "token": token(page)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/you")
        assert "Your changes go by </span>ml-7" in browser.get("/").text

    @pytest.mark.parametrize("sent", [{}, {"token": ""}, {"token": "00" * 32}, {"token": "zz"}])
    def test_and_refused_without(self, browser: httpx.Client, sent: dict[str, str]) -> None:
        browser.get("/you")
        answer = browser.post("/you", data={"actor": "ml-7", **sent})
        assert answer.status_code == 403
        assert "open the page again" in answer.text

    def test_another_visitors_token_is_not_taken(self, server: Live, browser: httpx.Client) -> None:
        browser.get("/you")
        with httpx.Client(base_url=server.url, headers=BROWSER) as other:
            theirs = token(other.get("/you"))
        assert browser.post("/you", data={"actor": "ml-7", "token": theirs}).status_code == 403

    def test_another_sites_form_is_refused_with_a_page(self, browser: httpx.Client) -> None:
        page = browser.get("/you")
        headers = {"origin": "http://evil.example"}
        answer = browser.post("/you", data={"actor": "x", "token": token(page)}, headers=headers)
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/html")
        assert "another site" in answer.text

    def test_the_token_looks_different_each_time(self, browser: httpx.Client) -> None:
        assert token(browser.get("/you")) != token(browser.get("/you"))

    @pytest.mark.parametrize(
        ("headers", "name", "secure"),
        [({}, "muster_token", False), ({"x-forwarded-proto": "https"}, "__Host-muster_token", True)],
    )
    def test_cookies_are_out_of_reach(
        self, browser: httpx.Client, headers: dict[str, str], name: str, secure: bool
    ) -> None:
        cookie = browser.get("/", headers=headers).headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert ("Secure" in cookie.split("; ")) == secure

    def test_only_a_form_is_taken(self, browser: httpx.Client) -> None:
        answer = browser.post("/you", json={"actor": "ml-7"})
        assert answer.status_code == 400
        assert "must be application/x-www-form-urlencoded" in answer.text


class TestErrors:
    def test_a_browser_gets_a_page_with_the_same_status(self, browser: httpx.Client) -> None:
        for path, status in (("/m/nowhere", 404), ("/nowhere", 404), ("/?at=yesterday", 400)):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (
                status,
                "text/html; charset=utf-8",
            )
            assert 'class="say" data-h="failed"' in answer.text

    def test_a_program_gets_what_it_got_before(self, server: Live) -> None:
        for path in ("/nowhere", "/m/nowhere"):
            answer = server.http.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert server.http.get("/models/nope").json() == {"error": "Model not found"}

    def test_the_plain_api_stays_json_for_a_browser_too(self, browser: httpx.Client) -> None:
        assert browser.get("/models").headers["content-type"] == "application/json"
        assert browser.get("/models/nope").json() == {"error": "Model not found"}
        assert browser.get("/api/v1/nope").headers["content-type"] == "application/problem+json"

    def test_a_past_before_the_registry_is_not_found(self, browser: httpx.Client) -> None:
        assert browser.get("/?at=1999-01-01T00:00:00Z").status_code == 404


class TestSizes:
    def test_a_page_is_under_100_kib_in_all_on_the_first_visit(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Even without compression, with the most rows that the overview shows and names of common length."""
        with live(tmp_path_factory.mktemp("home") / "registry") as server:
            for n in range(60):
                name = f"quarterly_demand_forecast_{n:02}"
                server.register(name, "v2026.11.24", owner="planning-and-routing")
                server.send(
                    "POST", "/api/v1/models", json={"name": f"{name}x", "owner": "planning-and-routing"}
                )
                for environment in ("production", "staging", "development"):
                    server.send(
                        "PUT",
                        f"/api/v1/deployments/{environment}/{name}?wait=true",
                        json={
                            "version": "v2026.11.24",
                            "reason": "Better on all of the held-out weeks of this year",
                        },
                        headers={"x-muster-actor": "continuous-integration"},
                    )
            for path in (
                "/",
                "/m/quarterly_demand_forecast_00",
                "/m/quarterly_demand_forecast_00/v2026.11.24",
            ):
                plain = {"accept": "text/html", "accept-encoding": "identity"}
                page = server.http.get(path, headers=plain)
                files = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
                size = len(page.content) + sum(
                    len(server.http.get(file, headers=plain).content) for file in files
                )
                assert size < 100 * 1024, f"{path}: {size:,} bytes"
