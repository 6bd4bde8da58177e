"""The history of all models, and any past moment, as people see them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Route, expect

from tests.live import Live
from tests.pages.conftest import Visit

pytestmark = pytest.mark.needs("chromium")

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


def change(server: Live, **wanted: Any) -> dict[str, Any]:
    """The newest change of that kind."""
    found: dict[str, Any] = server.http.get("/api/v1/changes", params={**wanted, "limit": 1}).json()["items"][
        0
    ]
    return found


def subjects(page: Page) -> list[str]:
    return page.locator("#changes-region .rail > li > p:first-child").all_inner_texts()


@either
def test_changes_come_newest_first_under_their_day_with_who_when_and_why(
    filled: Live, visit: Visit, script: bool
) -> None:
    page = visit(f"{filled.url}/history", script=script)
    newest = change(filled)
    assert subjects(page)[0] == newest["message"]
    day = datetime.fromisoformat(newest["time"])
    expect(page.locator("h3").first).to_have_text(f"{day:%A} {day.day} {day:%B %Y}")
    knot = page.locator("#changes-region li").filter(has_text="Deploy label_digits v1.2 to production")
    expect(knot).to_contain_text("Error on sixes is halved")
    expect(knot.locator(".meta")).to_have_text(re.compile(r"\d\d:\d\d ml-7 [0-9a-f]{10}"))
    knot.get_by_text(re.compile(r"\d fields")).click()
    rows = knot.locator("tbody tr")
    expect(rows.first).to_have_text(re.compile(r"version\s*v1\.1\s*v1\.2"))


@either
def test_filters_live_in_the_address_and_so_does_the_page_that_is_shown(
    filled: Live, visit: Visit, script: bool
) -> None:
    page = visit(f"{filled.url}/history", script=script)
    page.get_by_label("Model", exact=True).fill("label_digits")
    page.get_by_label("Environment").select_option("production")
    page.get_by_label("deployed").check()
    page.get_by_label("rolled back").check()
    page.get_by_role("button", name="Show these changes").click()
    expect(page.locator("#count")).to_have_text("2 of 2")
    page.wait_for_url(re.compile("model=label_digits"))
    assert "kind=deploy" in page.url
    assert "kind=rollback" in page.url
    assert subjects(page) == [
        "Deploy label_digits v1.2 to production",
        "Deploy label_digits v1.1 to production",
    ]
    again = visit(page.url, script=script)
    assert again.get_by_label("deployed").is_checked()
    assert subjects(again) == subjects(page)
    all_of_it = visit(f"{filled.url}/history", script=script)
    seen = subjects(all_of_it)
    while (older := all_of_it.get_by_role("link", name="Older")).count():
        older.click()
        all_of_it.wait_for_load_state()
        seen += subjects(all_of_it)
    assert len(seen) == filled.http.get("/api/v1/changes").json()["count"]


def test_a_filter_that_makes_no_sense_is_marked_and_what_was_typed_is_kept(
    filled: Live, visit: Visit
) -> None:
    answer = filled.http.get("/history?since=yesterday&kind=guessed", headers={"accept": "text/html"})
    assert answer.status_code == 400
    page = visit(f"{filled.url}/history?since=yesterday&kind=guessed")
    expect(page.get_by_label("From UTC").first).to_have_value("yesterday")
    expect(page.locator("#since-wrong")).to_contain_text("must be a time")
    expect(page.get_by_text("'guessed' is no kind of change")).to_be_visible()
    expect(page.get_by_text("Nothing was looked for")).to_be_visible()


def test_the_newest_page_follows_what_is_recorded(filled: Live, visit: Visit) -> None:
    page = visit(f"{filled.url}/history")
    with page.expect_response("**/live"):
        page.reload(wait_until="commit")
    note = {"message": "Looked at by a person"}
    filled.send("POST", "/api/v1/models/label_digits/versions/v1.0/notes", json=note)
    expect(page.locator("#changes-region li").first).to_contain_text("Looked at by a person")


def test_what_was_recorded_before_the_page_listens_comes_too(filled: Live, visit: Visit) -> None:
    def late(route: Route) -> None:
        note = {"message": "Looked at in between"}
        filled.send("POST", "/api/v1/models/label_digits/versions/v1.0/notes", json=note)
        route.continue_()

    page = visit("about:blank")
    page.route("**/live", late, times=1)
    page.goto(f"{filled.url}/history")
    expect(page.locator("#changes-region li").first).to_contain_text("Looked at in between")


@either
def test_a_change_has_a_page_with_its_diff_its_commit_and_its_neighbours(
    filled: Live, visit: Visit, script: bool
) -> None:
    deployed = change(filled, kind="deploy", model="label_digits", environment="production")
    page = visit(f"{filled.url}/history/{deployed['commit'][:10]}", script=script)
    expect(page.get_by_role("heading", level=1)).to_have_text("Deploy label_digits v1.2 to production")
    expect(page.locator(".reason")).to_contain_text("Error on sixes is halved")
    diff = page.get_by_role("region", name="What it changed")
    expect(diff.locator("tbody tr")).to_have_text(
        [
            re.compile(r"version\s*v1\.1\s*v1\.2"),
            re.compile(r"stage of v1\.1\s*production\s*staging"),
            re.compile(r"stage\s*development\s*production"),
            re.compile(r"a rollback returns to\s*–nothing\s*v1\.1"),
        ]
    )
    git = page.get_by_role("region", name="In Git")
    expect(git).to_contain_text("Muster-Change")
    expect(git).to_contain_text(deployed["commit"])
    page.get_by_role("link", name="ml-7").click()
    expect(page.get_by_label("Who")).to_have_value("ml-7")
    page.go_back()
    page.locator("a[rel=prev]").click()
    assert page.url != deployed["commit"]
    page.locator("a[rel=next]").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Deploy label_digits v1.2 to production")


def test_a_failed_attempt_shows_what_the_worker_said(filled: Live, visit: Visit) -> None:
    failed = change(filled, kind="deploy-failed")
    page = visit(f"{filled.url}/history/{failed['commit']}")
    expect(page.get_by_role("region", name="Output of the worker")).to_contain_text("onnxruntime")
    expect(page.get_by_text("What was there before served on")).to_be_visible()


# ------------------------------------------------------------ as of


@either
def test_a_moment_takes_every_page_with_it_until_one_goes_back(
    filled: Live, visit: Visit, script: bool
) -> None:
    first = change(filled, kind="deploy", model="label_digits", environment="production")
    before = datetime.fromisoformat(first["time"]) - timedelta(microseconds=1)
    page = visit(f"{filled.url}/m/label_digits", script=script)
    expect(page.locator("html")).not_to_have_attribute("data-past", "")
    page.get_by_role("link", name="Time shown").click()
    page.get_by_label("Or a change, by its commit").fill(first["commit"])
    page.get_by_role("button", name="Show that change's moment").click()
    page.wait_for_url(re.compile(r"/m/label_digits\?at="))
    expect(page.locator("html")).to_have_attribute("data-past", "")
    bar = page.get_by_role("region", name="A past moment")
    expect(bar).to_contain_text("You are looking at the past")
    expect(page.get_by_role("link", name="Edit…")).to_have_count(0)
    page.get_by_role("link", name="History", exact=True).click()
    assert subjects(page)[0] == "Deploy label_digits v1.2 to production"
    for link in page.locator("main a[href^='/']").evaluate_all("all => all.map(a => a.getAttribute('href'))"):
        assert "at=" in link, link
    page.goto(f"{filled.url}/m/label_digits?at={quote(before.isoformat())}")
    expect(page.locator(".track")).to_contain_text("v1.1")
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator(".track")).to_contain_text("v1.2")


@either
def test_the_picker_takes_a_time_in_utc(filled: Live, visit: Visit, script: bool) -> None:
    page = visit(f"{filled.url}/history", script=script)
    now = datetime.now(UTC).replace(microsecond=0)
    page.get_by_label("Date and time, UTC").fill(f"{now:%Y-%m-%dT%H:%M:%S}")
    page.get_by_role("button", name="Show this moment").click()
    expect(page.locator("html")).to_have_attribute("data-past", "")
    expect(page.get_by_role("region", name="A past moment")).to_contain_text(f"{now:%Y-%m-%d %H:%M:%S} UTC")
    page.get_by_role("link", name="One change earlier").click()
    expect(page.locator("#summary")).to_contain_text("1 came later")


Refused = tuple[str, int, str]
REFUSED: list[Refused] = [
    ("time=2999-01-01T00:00", 400, "must not be in the future"),
    ("time=1999-01-01T00:00", 404, "before the registry began"),
    ("time=soon", 400, "must be a time such as"),
    ("commit=0123456789", 404, "no commit of that id"),
]


@pytest.mark.parametrize(("asked", "status", "why"), REFUSED)
def test_a_moment_that_never_was_is_refused_in_words(filled: Live, asked: str, status: int, why: str) -> None:
    answer = filled.http.get(f"/moment?where=/m/label_digits&{asked}", headers={"accept": "text/html"})
    assert answer.status_code == status
    assert why in answer.text
    assert 'value="/m/label_digits"' in answer.text


@pytest.mark.parametrize(
    "where", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", ""]
)
def test_a_moment_leads_to_pages_of_this_server_only(filled: Live, where: str) -> None:
    commit = change(filled)["commit"]
    answer = filled.http.get("/moment", params={"where": where, "commit": commit}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/?at={commit}")


# ------------------------------------------------------------ compare


@either
def test_two_moments_are_compared_by_what_ran_then_and_then(filled: Live, visit: Visit, script: bool) -> None:
    last, first = filled.http.get(
        "/api/v1/changes?kind=deploy&model=label_digits&environment=production"
    ).json()["items"]
    page = visit(f"{filled.url}/compare", script=script)
    page.goto(f"{filled.url}/compare?from={first['commit']}&to={last['commit']}")
    ran = page.get_by_role("region", name="What ran in production")
    expect(ran.locator("tbody tr")).to_have_text(
        re.compile(r"label_digits\s*v1\.1\s*v1\.2\s*a newer version\s*ml-7")
    )
    expect(ran).to_contain_text("1 model differs")
    turned = visit(f"{filled.url}/compare?from={last['commit']}&to={first['commit']}", script=script)
    turned_ran = turned.get_by_role("region", name="What ran in production")
    expect(turned_ran.locator("tbody .plate")).to_have_text(["v1.1", "v1.2"])
    page.get_by_role("link", name="between").or_(
        page.get_by_role("link", name=re.compile("changes$"))
    ).first.click()
    assert subjects(page)[0] == "Deploy label_digits v1.2 to production"
    assert "Deploy label_digits v1.1 to production" not in subjects(page)


@either
def test_two_versions_are_compared_by_what_they_hold(filled: Live, visit: Visit, script: bool) -> None:
    page = visit(f"{filled.url}/compare", script=script)
    page.get_by_label("This version").fill("label_digits/v0.9")
    page.get_by_label("and that one").fill("label_digits:production")
    page.get_by_role("button", name="Compare them").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("label_digits v0.9 and v1.2")
    metrics = page.get_by_role("region", name="Metrics")
    expect(metrics.locator("tbody tr").first).to_have_text(
        re.compile(r"accuracy\s*0\.923\s*0\.968\s*\+0\.045\s*better")
    )
    files = page.get_by_role("region", name="Files")
    expect(files.locator("tbody tr")).to_have_text(re.compile(r"model\.onnx"))
    expect(page.get_by_text(re.compile("The same in both: 1 file"))).to_be_visible()
    page.get_by_role("link", name="The other way round").click()
    expect(metrics.locator("tbody tr").first).to_contain_text("worse")


def test_a_version_that_is_not_there_is_named_and_what_was_typed_is_kept(filled: Live, visit: Visit) -> None:
    page = visit(f"{filled.url}/compare?this=label_digits/v7&that=label_digits@champion")
    expect(page.get_by_role("alert")).to_contain_text("label_digits/v7")
    expect(page.get_by_label("and that one")).to_have_value("label_digits@champion")


NAMES = ["a b%2F\"quotes' & <b>", "größe→模型", "n" * 256, "100%"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_can_be_looked_for_shown_and_compared(server: Live, visit: Visit, name: str) -> None:
    versions = f"/api/v1/models/{quote(name, safe='')}/versions"
    server.send("POST", versions, json={"version": "v1 %", "tags": {"tag 'x'": "<i>"}})
    server.send("POST", versions, json={"version": "größer"})
    page = visit(f"{server.url}/history?model={quote(name)}", script=False, width=360)
    assert subjects(page)[0] == f"Register {name} größer"
    page.locator("#changes-region a.m").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.goto(f"{server.url}/compare?this={quote(name)}/1&that={quote(name)}/2")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{name} v1 % and größer")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
