"""Deploying from the browser, as people do it, with real workers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.live import Live, fresh
from tests.pages.acting import deployed, ends, put, steps, two_versions, waiting_pickle
from tests.pages.conftest import Theme, Visit
from tests.pages.test_accessibility import RULES
from tests.serving import FLOWER_INFER

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(180)]

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture(scope="module")
def gated(server: Live) -> str:
    """An environment where a model may hold up its own start."""
    body = {"name": "gated", "rank": 5, "allow_pickle": True}
    server.send("POST", "/api/v1/environments", json=body)
    return "gated"


@pytest.fixture(scope="module")
def flowers(server: Live) -> str:
    """A model of which nobody changes anything: v1 in production, v2 nowhere."""
    name = fresh("flowers")
    two_versions(server, name)
    return name


def effect(page: Page) -> str:
    return " ".join(page.get_by_role("table", name="Production, as it is").inner_text().split())


def shows(page: Page, script: bool) -> None:
    """With script the effect follows the choice; without it a button fetches it."""
    if not script:
        page.get_by_role("button", name="Show the effect").click()


@either
def test_a_version_is_chosen_its_effect_is_seen_and_it_serves(
    server: Live, visit: Visit, script: bool
) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    page = visit(f"{server.url}/m/{name}", script=script)
    page.get_by_role("link", name="Deploy a version").click()
    page.get_by_label("production", exact=True).check()
    page.get_by_label(re.compile("^v2")).check()
    page.get_by_label("Threads each").fill("2")
    page.get_by_label("Timeout").fill("10")
    page.get_by_label("Timeout").blur()
    shows(page, script)
    expect(page.get_by_role("table", name="Production, as it is")).to_contain_text("10 s")
    said = effect(page)
    assert "Version v1 v2 1 newer than what is there" in said
    assert "better by 0.02" in said
    assert "+50 rows" in said
    assert "Threads each 1 2 set in this form" in said
    what = page.get_by_role("region", name="What happens")
    expect(what).to_contain_text(f"{name}_v2 is started, and gets the traffic once it is ready")
    expect(what).to_contain_text("Nothing stands against it.")
    page.get_by_label("Reason", exact=True).first.fill("Looser, and better")
    page.get_by_role("button", name="Deploy v2 to production").click()
    page.wait_for_url("**/operation/*")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Deploy {name} v2 to production")
    ends(page, "Done")
    expect(page.locator("#progress")).to_contain_text(
        "v2 answers in production. v1 stands by, warm, to roll back to."
    )
    assert steps(page) == ["done"] * 4
    record = deployed(server, name)
    assert (record["version"], record["by"]["reason"]) == ("v2", "Looser, and better")
    assert (record["config"]["threads"], record["config"]["timeout_s"]) == (2, 10)
    answer = server.send("POST", f"/serve/production/{name}/v2/models/{name}/infer", json=FLOWER_INFER)
    assert answer.headers["muster-version"] == "2"


@either
def test_progress_is_seen_while_it_lasts(
    server: Live, gated: str, visit: Visit, tmp_path: Path, script: bool
) -> None:
    name, gate = fresh("slow"), tmp_path / "gate"
    server.upload(name, "v1")
    put(server, name, "v1", gated)
    server.upload(name, "v2", {"model.pkl": waiting_pickle(gate)})
    page = visit(f"{server.url}/deploy/{name}?environment={gated}&version=v2", script=script)
    page.get_by_role("button", name="Deploy v2").click()
    page.wait_for_url("**/operation/*")
    expect(page.locator("#progress")).to_contain_text("v1 still answers")
    expect(page.locator("#progress")).to_contain_text("loading its files")
    assert steps(page) == ["now", "todo", "todo", "todo"]
    if script:
        page.evaluate("window.kept = true")
    where = page.url
    other = visit(f"{server.url}/deploy/{name}?environment={gated}&version=v2", script=script)
    expect(other.get_by_role("region", name="What happens")).to_contain_text("is under way")
    other.get_by_role("link", name="Follow it").click()
    assert other.url == where
    gate.touch()
    ends(page, "Done")  # by itself: without script the page loads itself again
    expect(page.locator("#progress")).not_to_contain_text("still answers")
    if script:
        assert page.evaluate("window.kept")
        expect(page.locator("#said")).to_contain_text("Done. v2 answers in gated.")


@either
def test_what_does_not_start_says_why_and_what_was_not_touched(
    server: Live, visit: Visit, script: bool
) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    server.upload(name, "v3", {"model.onnx": b"no graph at all"})
    page = visit(f"{server.url}/deploy/{name}?environment=production&version=v3", script=script)
    page.get_by_role("button", name="Deploy v3 to production").click()
    page.wait_for_url("**/operation/*")
    ends(page, "Did not start")
    assert steps(page) == ["fail", "todo", "todo", "todo"]
    expect(page.locator(".say")).to_contain_text("Traffic was never touched: production still has v1.")
    expect(page.locator(".say")).to_contain_text("register it as a new version")
    expect(page.get_by_role("region", name="Output of the worker").locator("mark").first).to_contain_text(
        "model.onnx"
    )
    assert deployed(server, name)["version"] == "v1"
    page.get_by_role("link", name="Try v3 again").click()
    expect(page.get_by_label(re.compile("^v3"))).to_be_checked()
    expect(page.get_by_text("Did not start in production")).to_be_visible()


def test_what_was_not_shown_is_not_deployed(server: Live, visit: Visit) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    page = visit(f"{server.url}/deploy/{name}?environment=staging&version=v1", script=False)
    page.get_by_label(re.compile("^v2")).check()
    page.get_by_label("production", exact=True).check()
    page.get_by_label("Reason", exact=True).first.fill("Because")
    page.get_by_role("button", name="Deploy v1 to staging").click()
    expect(page.get_by_role("alert")).to_contain_text("Not deployed yet")
    expect(page.get_by_label("Reason", exact=True).first).to_have_value("Because")
    assert deployed(server, name)["version"] == "v1"
    page.get_by_role("button", name="Deploy v2 to production").click()
    ends(page, "Done")
    assert deployed(server, name)["version"] == "v2"


def test_what_changed_meanwhile_is_not_overwritten(server: Live, visit: Visit) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    page = visit(f"{server.url}/deploy/{name}?environment=production&version=v1", script=False)
    page.get_by_label("Processes").fill("2")
    page.get_by_role("button", name="Show the effect").click()
    put(server, name, "v2")
    page.get_by_role("button", name="Deploy v1 to production").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was started or changed.")
    expect(page.get_by_role("alert")).to_contain_text("stale")
    assert deployed(server, name)["version"] == "v2"
    page.get_by_role("button", name="Deploy v1 to production").click()
    ends(page, "Done")
    assert (deployed(server, name)["version"], deployed(server, name)["config"]["replicas"]) == ("v1", 2)


@either
def test_a_bad_configuration_is_told_field_by_field_and_kept(
    server: Live, flowers: str, visit: Visit, script: bool
) -> None:
    page = visit(f"{server.url}/deploy/{flowers}?environment=production&version=v2", script=script)
    page.get_by_label("Processes").fill("65")
    page.get_by_label("Threads each").fill("two")
    page.get_by_label("Timeout").fill("0")
    page.get_by_text("Environment variables").first.click()
    page.get_by_label("Variable", exact=True).fill("API_TOKEN")
    page.get_by_label("Value, or where the secret is").fill("hunter2")
    page.get_by_role("button", name="Another variable").click()
    for label, value, rule in (
        ("Processes", "65", "must be a whole number from 1 to 64"),
        ("Threads each", "two", "must be a whole number from 1 to 256"),
        ("Timeout", "0", "must be from 0.1 to 3,600 seconds"),
    ):
        field = page.get_by_label(label)
        expect(field).to_have_value(value)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(rule)
    variable = page.get_by_label("Variable", exact=True).first
    expect(variable).to_have_value("API_TOKEN")
    expect(variable).to_have_accessible_description(re.compile("looks like a credential"))
    assert deployed(server, flowers)["version"] == "v1"


def test_a_secret_is_named_and_never_recorded(server: Live, visit: Visit) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    page = visit(f"{server.url}/deploy/{name}?environment=production&version=v2", script=False)
    page.get_by_text("Environment variables").first.click()
    page.get_by_label("Variable", exact=True).fill("API_TOKEN")
    page.get_by_label("Variable 1 is").select_option("secret, in the server variable")
    page.get_by_label("Value, or where the secret is").fill("PATH")
    page.get_by_role("button", name="Show the effect").click()
    expect(page.get_by_role("table", name="Production, as it is")).to_contain_text("secret, from env:PATH")
    page.get_by_role("button", name="Deploy v2 to production").click()
    ends(page, "Done")
    assert deployed(server, name)["config"]["env"] == {"API_TOKEN": {"from": "env:PATH"}}


def test_what_is_so_already_would_change_nothing(server: Live, flowers: str, visit: Visit) -> None:
    page = visit(f"{server.url}/deploy/{flowers}?environment=production&version=v1")
    expect(page.get_by_text("It is so already: nothing would change.")).to_be_visible()
    button = page.get_by_role("button", name="Deploy v1 to production")
    expect(button).to_have_attribute("aria-disabled", "true")


def test_a_version_whose_files_are_not_fixed_cannot_be_chosen(server: Live, visit: Visit) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    server.send("POST", f"/api/v1/models/{name}/versions", json={"version": "v3", "pending": True})
    page = visit(f"{server.url}/deploy/{name}")
    expect(page.get_by_label(re.compile("^v3"))).to_be_disabled()
    expect(page.get_by_label(re.compile("^v2"))).to_be_checked()
    page.goto(f"{server.url}/deploy/{name}?version=v3&environment=production")
    expect(page.get_by_role("region", name="What happens")).to_contain_text("finalize its files first")
    page.get_by_role("region", name="What happens").get_by_role("link", name="Its files").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Files of {name} v3")


def test_a_version_without_files_is_only_declared(server: Live, visit: Visit) -> None:
    name = fresh("paper")
    server.register(name, "v1")
    page = visit(f"{server.url}/deploy/{name}?environment=production", script=False)
    expect(page.get_by_role("region", name="What happens")).to_contain_text("nothing of it runs")
    page.get_by_role("button", name="Deploy v1 to production").click()
    ends(page, "Done")
    expect(page.locator("#progress")).to_contain_text(
        "v1 is declared in production; nothing of it runs here."
    )


@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 1440)])
def test_how_an_operation_went_is_in_nobodys_way(
    server: Live, flowers: str, visit: Visit, theme: Theme, width: int
) -> None:
    server.upload(flowers, f"v{width}", {"model.onnx": b"no graph at all"})
    where = f"{server.url}/deploy/{flowers}?environment=staging&version="
    page = visit(f"{where}v{width}", theme=theme, width=width)
    page.get_by_role("button", name=f"Deploy v{width} to staging").click()
    ends(page, "Did not start")
    assert violations(page) == []
    page.goto(f"{where}v2")
    page.get_by_label("Processes").fill("0")
    page.get_by_role("button", name="Deploy v2 to staging").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def violations(page: Page) -> list[str]:
    """What axe finds."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]


def test_the_past_cannot_be_deployed_to(server: Live, visit: Visit) -> None:
    name = fresh("flowers")
    server.register(name, "v1")
    page = visit(f"{server.url}/deploy/{name}?at={server.home.registry.index.head()}")
    assert "at=" not in page.url
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Deploy {name}")
