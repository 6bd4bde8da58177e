"""The overview, as people see it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.live import Live
from tests.pages.conftest import Visit

pytestmark = pytest.mark.needs("chromium")

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


def row(page: Page, model: str) -> str:
    return (
        page.locator("#models tbody tr")
        .filter(has=page.get_by_role("link", name=model, exact=True))
        .inner_text()
    )


@either
def test_it_says_what_runs_where_how_well_since_when_and_by_whom(
    filled: Live, visit: Visit, script: bool
) -> None:
    page = visit(filled.url, script=script)
    heads = page.locator("#models thead th").all_inner_texts()
    assert heads == ["Model", "production", "staging", "development", "Newest"]
    digits = row(page, "label_digits")
    assert re.search(r"vision\s+v1\.2\s+ready\s+\d+ (s|min) · ml-7\s+v1\.3\s+ready", digits)
    assert re.search(r"v1\.4\s+did not start", digits)
    assert "drifted" in row(page, "address_match")
    assert "not running" in row(page, "route_cost")
    assert "as declared" in row(page, "claims_fraud")
    assert "undeclared" in row(page, "return_reason")
    assert "no owner" in row(page, "pallet_count")


@either
def test_what_needs_a_person_comes_first_the_worst_at_the_top(
    filled: Live, visit: Visit, script: bool
) -> None:
    page = visit(filled.url, script=script)
    needs = page.get_by_role("region", name="Needs attention")
    assert needs.locator("strong").all_inner_texts() == [
        "label_digits v1.4 did not start",
        "address_match drifted",
        "return_reason runs undeclared",
        "pallet_count has no owner",
    ]
    expect(needs).to_contain_text("nothing else is affected")
    expect(needs).to_contain_text("geo-agent reports v5.1; v5.0 is declared")


@either
def test_filters_live_in_the_address(filled: Live, visit: Visit, script: bool) -> None:
    page = visit(filled.url, script=script)
    page.get_by_role("link", name="Drifted 2").click()
    page.wait_for_url("**/?health=drifted")
    assert page.locator("#models tbody th a").all_inner_texts() == ["address_match", "return_reason"]
    page.get_by_role("link", name="All 15").click()
    page.get_by_label("Owner", exact=True).select_option("No owner")
    if not script:
        page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#models tbody tr")).to_have_count(2)
    assert "owner=-" in page.url


def test_it_searches_as_one_types_without_loading_the_page(filled: Live, visit: Visit) -> None:
    page = visit(filled.url)
    page.evaluate("window.kept = true")
    page.keyboard.press("/")
    page.keyboard.type("DIGIT")
    expect(page.locator("#models tbody tr")).to_have_count(1)
    expect(page.get_by_role("status").filter(has_text="1 to 1 of 1")).to_be_visible()
    assert "q=DIGIT" in page.url
    page.get_by_label("Find a model, owner").fill("nothing like it")
    expect(page.locator("#board-region .empty")).to_contain_text("No model has “nothing like it”")
    page.get_by_label("Find a model, owner").fill("nlp-2")
    expect(page.locator("#models tbody tr")).to_have_count(2)
    page.get_by_label("Find a model, owner").fill("label_digits@champion")
    expect(page.locator("#models tbody th a")).to_have_text(["label_digits"])
    assert page.evaluate("window.kept")


def test_without_script_the_search_is_a_form(filled: Live, visit: Visit) -> None:
    page = visit(filled.url, script=False)
    page.get_by_label("Find a model, owner").fill("vision")
    page.get_by_label("Find a model, owner").press("Enter")
    names = page.locator("#models tbody th a").all_inner_texts()
    assert names == ["damage_photo", "depot_vision", "label_digits", "mobilenet_small"]


def test_what_happens_shows_by_itself(server: Live, visit: Visit) -> None:
    page = visit(server.url)
    expect(page.get_by_text("No models yet.")).to_be_visible()
    server.register("brand_new", "v1")
    expect(page.locator("#models tbody tr")).to_have_count(1)
    latest = page.get_by_role("region", name="Latest changes")
    expect(latest.locator("li").first).to_contain_text("Register brand_new v1 (new model)")


@either
def test_a_past_moment_is_marked_and_nothing_there_can_be_changed(
    filled: Live, visit: Visit, script: bool
) -> None:
    changes = filled.http.get("/api/v1/changes?model=label_digits&kind=deploy").json()["items"]
    first = changes[-1]["commit"]
    page = visit(f"{filled.url}/?at={first}", script=script)
    banner = page.get_by_role("region", name="A past moment")
    expect(banner).to_contain_text("Nothing can be changed here")
    assert "v1.1" in row(page, "label_digits")
    assert page.locator("#attention").count() == 0
    page.get_by_role("link", name="label_digits", exact=True).first.click()
    assert f"at={first}" in page.url
    expect(page.get_by_role("link", name="Deploy a version")).to_have_count(0)
    page.get_by_role("link", name="Back to now").click()
    expect(page.get_by_role("link", name="Deploy a version")).to_be_visible()


def test_light_and_dark_are_remembered(server: Live, visit: Visit) -> None:
    page = visit(server.url)
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Switch between light and dark").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_light_and_dark_need_no_script(server: Live, visit: Visit) -> None:
    page = visit(f"{server.url}/you", script=False)
    page.get_by_role("button", name="dark", exact=True).click()
    page.wait_for_url("**/you")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="as the system").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_a_visitor_says_by_which_name_their_changes_go(server: Live, visit: Visit) -> None:
    page = visit(f"{server.url}/you", script=False)
    page.get_by_label("Your id").fill("not a name")
    page.get_by_role("button", name="Keep this id").click()
    expect(page.get_by_label("Your id")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Your id")).to_have_value("not a name")
    page.get_by_label("Your id").fill("risk-officer-2")
    page.get_by_role("button", name="Keep this id").click()
    expect(page.get_by_role("link", name="Your changes go by risk-officer-2")).to_be_visible()
