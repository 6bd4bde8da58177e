"""What people change on pages: environments, aliases, tags, descriptions; and what they are refused."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.live import Live, fresh
from tests.pages.conftest import Visit

pytestmark = pytest.mark.needs("chromium")

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


def newest(server: Live) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get("/api/v1/changes?limit=1").json()["items"][0]
    return found


def model(server: Live, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.send("GET", f"/api/v1/models/{quote(name, safe='')}").json()
    return found


def done(page: Page, subject: str) -> None:
    """The page says what was recorded."""
    expect(page.locator("#flash")).to_contain_text(f"Done. {subject}")


# ------------------------------------------------------------ environments


@either
def test_an_environment_is_created_changed_with_its_effect_seen_first_and_deleted(
    server: Live, visit: Visit, script: bool
) -> None:
    name = fresh("edge").lower()
    page = visit(f"{server.url}/environments", script=script)
    page.get_by_label("Name small letters").fill(name)
    page.get_by_label("What runs versions there").select_option("external")
    page.get_by_label("Rank").fill("25")
    page.get_by_label("Reason").fill("A second site")
    page.get_by_role("button", name="Create the environment").click()
    done(page, f"Create environment {name}")
    assert newest(server)["reason"] == "A second site"
    page.get_by_label("Allow pickle").check()
    page.get_by_role("button", name="Show what it changes").click()
    expect(page.locator("#effect tbody tr")).to_have_text(re.compile(r"pickle allowed\s*no\s*yes"))
    assert server.send("GET", f"/api/v1/environments/{name}").json()["allow_pickle"] is False
    page.get_by_label("Reason").fill("Old models only")
    page.get_by_role("button", name=f"Change {name}").click()
    done(page, f"Update environment {name}")
    assert server.send("GET", f"/api/v1/environments/{name}").json()["allow_pickle"] is True
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name=f"Delete environment {name}").click()
    done(page, f"Delete environment {name}")
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)


def test_what_was_confirmed_is_what_was_shown(server: Live, visit: Visit) -> None:
    page = visit(f"{server.url}/environments/development")
    page.get_by_label("Description").fill("Where versions are born")
    page.get_by_role("button", name="Show what it changes").click()
    page.get_by_label("Description").fill("Something else")
    page.get_by_role("button", name="Change development").click()
    expect(page.locator("#effect")).to_contain_text("Something else")
    assert server.send("GET", "/api/v1/environments/development").json()["description"] != "Something else"


@either
def test_rules_that_are_refused_say_why_beside_the_field_and_keep_what_was_typed(
    server: Live, visit: Visit, script: bool
) -> None:
    page = visit(f"{server.url}/environments", script=script)
    page.get_by_label("Name small letters").fill("Über")
    page.get_by_label("Rank").fill("5000000")
    page.get_by_label("Description").fill("kept")
    page.get_by_role("button", name="Create the environment").click()
    expect(page.locator("#name-wrong")).to_contain_text("must")
    expect(page.locator("#rank-wrong")).to_contain_text("must be a whole number")
    expect(page.get_by_label("Description")).to_have_value("kept")
    expect(page.get_by_label("Rank")).to_have_attribute("aria-invalid", "true")


def test_an_environment_in_use_says_why_it_cannot_go(server: Live, visit: Visit) -> None:
    name = fresh()
    server.register(name)
    server.send("PUT", f"/api/v1/deployments/staging/{name}?wait=true", json={"version": "v1"})
    page = visit(f"{server.url}/delete-environment/staging")
    expect(page.locator("#against")).to_contain_text("undeploy them first")
    expect(page.get_by_role("button", name="Delete environment staging")).to_have_attribute(
        "aria-disabled", "true"
    )
    page.goto(f"{server.url}/environments/staging")
    page.get_by_label("What runs versions there").select_option("external")
    page.get_by_role("button", name="Show what it changes").click()
    expect(page.locator("#effect")).to_contain_text("cannot change while")
    expect(page.get_by_role("button", name="Change staging")).to_have_count(0)


# ------------------------------------------------------------ models


@either
def test_owner_description_tags_and_card_are_changed_in_one_commit(
    server: Live, visit: Visit, script: bool
) -> None:
    name = fresh()
    server.send("POST", "/api/v1/models", json={"name": name, "tags": {"tier": "2", "old": "x"}})
    page = visit(f"{server.url}/edit/{name}", script=script)
    page.get_by_label("Owner who answers").fill("vision")
    page.get_by_label("Description").fill("Reads 'digits' & more")
    page.get_by_label("Name of tag 1").fill("")
    page.get_by_label("Value of tag 2").fill("1")
    page.get_by_label("Name of tag 3").fill("größe %")
    page.get_by_label("Value of tag 3").fill("<b>")
    page.get_by_label("Card").fill("# For\n\nLabels.")
    page.get_by_label("Reason").first.fill("It has grown up")
    page.get_by_role("button", name=f"Change what describes {name}").click()
    done(page, f"Update model {name}")
    expect(page.get_by_role("heading", name="For", exact=True)).to_be_visible()
    found = model(server, name)
    assert (found["owner"], found["description"]) == ("vision", "Reads 'digits' & more")
    assert found["tags"] == {"tier": "1", "größe %": "<b>"}
    assert (found["card"], newest(server)["reason"]) == ("# For\n\nLabels.", "It has grown up")


def test_an_edit_does_not_take_back_what_somebody_else_changed(server: Live, visit: Visit) -> None:
    name = fresh()
    server.send("POST", "/api/v1/models", json={"name": name})
    page = visit(f"{server.url}/edit/{name}")
    server.send("PATCH", f"/api/v1/models/{name}", json={"owner": "somebody else"})
    page.get_by_label("Description").fill("Mine")
    page.get_by_role("button", name=f"Change what describes {name}").click()
    expect(page.get_by_role("alert")).to_contain_text("stale")
    expect(page.get_by_label("Description")).to_have_value("Mine")
    assert model(server, name)["owner"] == "somebody else"


def test_a_form_from_elsewhere_changes_nothing(server: Live) -> None:
    name = fresh()
    server.send("POST", "/api/v1/models", json={"name": name})
    answer = server.http.post(f"/edit/{name}", data={"part": "about", "owner": "intruder"})
    assert answer.status_code == 403
    assert model(server, name)["owner"] is None


@either
def test_an_alias_is_set_moved_and_removed_with_its_effect_seen_first(
    server: Live, visit: Visit, script: bool
) -> None:
    name = fresh()
    server.register(name, "v1")
    server.register(name, "v2")
    page = visit(f"{server.url}/edit/{name}", script=script)
    for version in ("v1", "v2"):
        page.get_by_label("Alias", exact=True).fill("champion")
        page.get_by_label("means version").fill(version)
        page.get_by_role("button", name="Show what it changes").first.click()
        effect = page.locator("#effect tbody tr")
        expect(effect).to_have_text(
            re.compile(rf"alias champion\s*{'–nothing' if version == 'v1' else 'v1'}\s*{version}")
        )
        page.get_by_role("button", name=f"Point @champion at {version}").click()
        done(page, f"Point {name}@champion at {version}")
        page.get_by_role("link", name="Edit…").click()
    assert model(server, name)["aliases"] == {"champion": 2}
    page.get_by_role("button", name="Remove… @champion").click()
    page.get_by_role("button", name="Remove @champion", exact=True).click()
    done(page, f"Remove alias champion from {name}")
    assert model(server, name)["aliases"] == {}


@either
def test_a_model_goes_only_after_what_goes_was_named(server: Live, visit: Visit, script: bool) -> None:
    name = fresh()
    server.register(name)
    server.send("PUT", f"/api/v1/deployments/staging/{name}?wait=true", json={"version": "v1"})
    page = visit(f"{server.url}/delete/{name}", script=script)
    expect(page.get_by_text("1 version goes with it.")).to_be_visible()
    expect(page.locator("#against")).to_contain_text("deployed in staging; undeploy it first")
    server.send("DELETE", f"/api/v1/deployments/staging/{name}?wait=true")
    page.reload()
    page.get_by_label("Reason").fill("Nobody uses it")
    page.get_by_role("button", name=f"Delete {name}").click()
    done(page, f"Delete model {name}")
    assert server.http.get(f"/api/v1/models/{name}").status_code == 404
    assert newest(server)["reason"] == "Nobody uses it"


# ------------------------------------------------------------ versions


@either
def test_a_version_gets_words_a_stage_and_another_description(
    server: Live, visit: Visit, script: bool
) -> None:
    name = fresh()
    server.register(name, "v1", deployment_status="production")
    server.register(name, "v2")
    page = visit(f"{server.url}/edit/{name}/v2", script=script)
    page.get_by_label("Description").fill("Better on sixes")
    page.get_by_role("button", name="Change what describes v2").click()
    done(page, f"Update {name} v2")
    page.get_by_role("link", name="Edit…").click()
    page.get_by_label("Words").fill("Reviewed\nBy two people")
    page.get_by_role("button", name="Write it into the history").click()
    done(page, f"Update model {name}_v2: Reviewed")
    page.get_by_role("link", name="Edit…").click()
    page.get_by_label("Stage", exact=True).select_option("production")
    page.get_by_label("Archive every other version").check()
    page.get_by_role("button", name="Show what it changes").click()
    expect(page.locator("#effect")).to_contain_text("stage of v1")
    page.get_by_role("button", name="Move v2 to production").click()
    done(page, f"Move {name} v2 from development to production, archiving v1")
    page.get_by_role("link", name="Edit…").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name=f"Delete {name} v2").click()
    done(page, f"Delete {name} v2")


def test_an_empty_comment_is_refused_beside_its_field(server: Live, visit: Visit) -> None:
    name = fresh()
    server.register(name)
    page = visit(f"{server.url}/edit/{name}/v1")
    page.get_by_label("Words").fill("   ")
    page.get_by_role("button", name="Write it into the history").click()
    expect(page.locator("#message-wrong")).to_contain_text("must not be empty")


# ------------------------------------------------------------ places and settings


@either
def test_a_place_shows_what_is_declared_and_what_others_report(
    filled: Live, visit: Visit, script: bool
) -> None:
    page = visit(f"{filled.url}/environments/production/address_match", script=script)
    expect(page.locator("#standing")).to_contain_text("drifted")
    expect(page.get_by_role("region", name="Declared")).to_contain_text("v5.0")
    observed = page.get_by_role("region", name="Observed")
    expect(observed.locator("tbody tr")).to_have_text(re.compile(r"geo-agent\s*v5\.1 not as declared"))
    expect(page.get_by_role("region", name="Report what runs", exact=True)).to_contain_text("/observed")
    page.goto(f"{filled.url}/environments/staging/return_reason")
    expect(page.locator("#standing")).to_contain_text("undeclared")
    expect(page.get_by_role("region", name="Declared")).to_contain_text(
        "Nothing of return_reason is declared"
    )
    page.goto(f"{filled.url}/environments/production/label_digits")
    expect(observed).to_contain_text("gets the traffic")
    page.goto(f"{filled.url}/environments/production")
    expect(page.locator("tbody tr").filter(has_text="claims_fraud")).to_contain_text("as declared")


@either
def test_settings_say_what_the_server_was_told_and_whether_all_is_well(
    filled: Live, visit: Visit, script: bool
) -> None:
    page = visit(f"{filled.url}/settings", script=script)
    expect(page.locator("tbody tr").filter(has_text="report_ttl_s")).to_have_text(
        re.compile(r"report_ttl_s\s*300\.0\s*default")
    )
    expect(page.get_by_role("region", name="The registry")).to_contain_text("says what Git says")
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page).to_have_url(re.compile("/settings$"))
