"""Proposals on pages: asked for with the deploy form, decided by people, and why one may not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from muster.domain import changes as c
from tests.approving import People
from tests.live import Live, fresh, live
from tests.pages.acting import token
from tests.pages.conftest import Theme, Visit
from tests.pages.deciding import asked, entered, seen_by
from tests.pages.test_accessibility import RULES
from tests.serving import wait_for

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
chromium = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("home") / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def people(guarded: Live) -> People:
    found = People(guarded)
    found.protect()
    found.do(c.SetRoles("environment", "production", "lea", ("break-glass",)))
    return found


# ------------------------------------------------------------ in a browser


@chromium
@either
def test_what_is_asked_for_on_a_page_happens_when_two_others_have_approved_it_there(
    people: People, visit: Visit, script: bool
) -> None:
    name = fresh()
    people.make("ada", name, metrics={"auc": 0.9})
    page = entered(visit, people, "bob", f"/deploy/{name}?environment=production", script=script)
    expect(page.locator("#told-region")).to_contain_text("production demands 2 approvals of risk")
    page.get_by_label("Reason", exact=True).fill("The first one")
    page.get_by_role("button", name="Ask to deploy v1 to production").click()
    page.wait_for_url(re.compile(r"/proposals/P-\d+$"))
    where = page.url.removeprefix(people.server.url)
    expect(page.locator("h1")).to_have_text(f"Deploy {name} v1 to production")
    expect(page.locator(".effect tbody tr").first).to_contain_text(f"{name}_v1")
    expect(page.get_by_role("button", name="Approve")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#may-approve")).to_contain_text("bob asked for it")

    for who in ("rita", "rob"):
        page = entered(visit, people, who, "/proposals", script=script)
        page.get_by_role("link", name=f"Deploy {name} v1 to production").click()
        assert page.url == people.server.url + where
        page.get_by_label("Comment").fill(f"{who} has looked")
        page.get_by_role("button", name="Approve").click()
        expect(page.locator("#main")).to_contain_text(f"Deploy {name} v1 to production")
    page.wait_for_url(re.compile("/operation/"))
    wait_for(lambda: people.running(name), bool)
    page.goto(people.server.url + where)
    expect(page.locator(".rail")).to_contain_text("rita has looked")
    expect(page.locator(".rail li")).to_have_count(4)
    expect(page.locator("#main")).to_contain_text("in the name of bob")


@chromium
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 1440)])
def test_nothing_is_in_anybodys_way(people: People, visit: Visit, theme: Theme, width: int) -> None:
    _, of = asked(people)
    people.approve("rita", of, "fine")
    broken = fresh()
    people.make("ada", broken)
    people.deploy("lea", broken, params={"break_glass": "true", "wait": "true"})
    [review, *_] = people.send("ada", "GET", "/api/v1/reviews").json()["items"]
    found: dict[str, list[str]] = {}
    for who in ("rob", "bob", "lea"):
        page = entered(visit, people, who, "/proposals")
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        for path in ("/proposals", f"/proposals/{of}", f"/reviews/{review['id']}"):
            page.goto(people.server.url + path)
            violations = Axe().run(page, options=RULES).response["violations"]
            said = [f"{each['id']}: {each['nodes'][0]['html']}" for each in violations]
            if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
                said.append(f"{wide} px wide")
            found[f"{path} as {who}"] = said
    assert {name: said for name, said in found.items() if said} == {}


# ------------------------------------------------------------ over HTTP


def test_a_proposal_shows_what_it_replaces_and_what_is_better_and_worse(people: People) -> None:
    name, of = asked(people)
    with seen_by(people, "rita") as rita:
        page = rita.get(f"/proposals/{of}").text
    assert f"Replaces {name}_v1 with {name}_v2" in page
    rows = {
        found[1]: re.sub(r"<[^>]+>", " ", found[0])
        for found in re.finditer(r'<tr><th scope="row">(\w+).*?</tr>', page, re.DOTALL)
    }
    assert re.search(r"0\.9 \s+ 0\.92 .*better.*by 0\.02", rows["auc"])
    assert re.search(r"0\.2 \s+ 0\.25 .*worse.*by 0\.05", rows["loss"])
    assert "newer" in rows["training"]
    assert "Unchanged:" in page
    assert "2 more of team risk" in page


def test_what_waits_for_one_is_first_and_what_one_may_not_approve_is_not_there(people: People) -> None:
    _, of = asked(people)
    with seen_by(people, "rita") as rita, seen_by(people, "bob") as bob:
        for client, there in ((rita, True), (bob, False)):
            page = client.get("/proposals").text
            mine, _, others = page.partition('id="open"')
            assert (f"/proposals/{of}" in mine) is there
            assert (f"/proposals/{of}" in others) is not there


@pytest.mark.parametrize(
    ("who", "rule", "told"),
    [
        ("bob", "requester", "nobody approves what they ask for"),
        ("lea", "team", "A member of risk can approve it."),
    ],
)
def test_who_may_not_approve_is_told_the_rule_and_who_can_help(
    people: People, who: str, rule: str, told: str
) -> None:
    _, of = asked(people)
    with seen_by(people, who) as client:
        page = client.get(f"/proposals/{of}")
        assert f"<code>{rule}</code>" in page.text
        seen = re.search(r'name="seen" value="([0-9a-f]+)"', page.text)
        assert seen
        form = {"token": token(page), "decision": "approve", "seen": seen[1], "comment": "me"}
        refused = client.post(f"/proposals/{of}", data=form)
    assert refused.status_code == 403
    assert told in refused.text
    assert ">me</textarea>" in refused.text
    assert people.proposal(of)["decisions"] == []


def test_nobody_approves_another_effect_than_they_were_shown(people: People) -> None:
    name, of = asked(people)
    with seen_by(people, "rita") as rita:
        page = rita.get(f"/proposals/{of}")
        seen = re.search(r'name="seen" value="([0-9a-f]+)"', page.text)
        assert seen
        people.send("ada", "PATCH", f"/api/v1/models/{name}/versions/v2", json={"description": "another"})
        form = {"token": token(page), "decision": "approve", "seen": seen[1]}
        again = rita.post(f"/proposals/{of}", data=form)
    assert "what it would do changed since you looked" in again.text
    assert people.proposal(of)["decisions"] == []


def test_rejecting_takes_a_comment_and_ends_it(people: People) -> None:
    _, of = asked(people)
    with seen_by(people, "rita") as rita:
        form = {"token": token(rita.get(f"/proposals/{of}")), "decision": "reject"}
        refused = rita.post(f"/proposals/{of}", data=form)
        assert refused.status_code == 400
        assert "must say why it is rejected" in refused.text
        done = rita.post(f"/proposals/{of}", data={**form, "comment": "It drifts"})
        assert done.status_code == 303
        page = rita.get(done.headers["location"]).text
    assert "It drifts" in page
    assert "Approve P-" not in page
    assert people.proposal(of)["state"] == "rejected"


def test_whoever_asked_withdraws_it(people: People) -> None:
    _, of = asked(people)
    with seen_by(people, "bob") as bob:
        form = {"token": token(bob.get(f"/proposals/{of}")), "decision": "withdraw", "comment": "later"}
        assert bob.post(f"/proposals/{of}", data=form).status_code == 303
    assert people.proposal(of)["state"] == "withdrawn"


def test_the_glass_is_broken_with_a_reason_and_reviewed_by_two_others(people: People) -> None:
    name, of = asked(people)
    with seen_by(people, "bob") as bob:
        page = bob.get(f"/proposals/{of}").text
        assert "bob has not the role break-glass in production" in page
        assert "An admin can give that role; or ask for approval." in page
    with seen_by(people, "lea") as lea:
        form = {"token": token(lea.get(f"/proposals/{of}")), "decision": "break-glass"}
        refused = lea.post(f"/proposals/{of}", data=form)
        assert refused.status_code == 403
        assert "breaking the glass takes a reason" in refused.text
        begun = lea.post(f"/proposals/{of}", data={**form, "reason": "outage"})
        assert begun.headers["location"].startswith("/operation/")
        wait_for(lambda: people.running(name), lambda number: number == 2)
        listed = lea.get("/proposals").text
        [review] = set(re.findall(rf"/reviews/B-\d+(?=\"[^\n]*{name})", listed))
        assert "did it, and others have to review it" in lea.get(review).text
    for who in ("rita", "bob"):
        with seen_by(people, who) as client:
            form = {"token": token(client.get(review)), "comment": f"{who} agrees"}
            assert client.post(review, data=form).status_code == 303
    with seen_by(people, "rita") as rita:
        page = rita.get(review).text
    assert "bob agrees" in page
    assert "Your review" not in page


def test_a_proposal_out_of_sight_looks_like_none(people: People) -> None:
    name, of = asked(people)
    people.do(c.SetAccount("mo", create=True))
    other = fresh()
    people.make("ada", other)
    people.do(c.SetRoles("model", other, "mo", ("viewer",)))
    with seen_by(people, "mo") as client:
        hidden, missing = client.get(f"/proposals/{of}"), client.get("/proposals/P-99999")
        assert hidden.status_code == missing.status_code == 404
        assert name not in hidden.text
        assert name not in client.get("/proposals").text
