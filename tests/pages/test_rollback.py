"""Going back, and taking out of service, from the browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.live import Live, fresh
from tests.pages.acting import deployed, ends, put, steps, token, told, two_versions, visitor
from tests.pages.conftest import Visit

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(180)]

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture(scope="module")
def flowers(server: Live) -> str:
    """A model of which nobody changes anything: v1 in production, v2 nowhere."""
    name = fresh("flowers")
    two_versions(server, name)
    return name


@either
def test_one_button_and_a_reason_bring_back_what_was_there(server: Live, visit: Visit, script: bool) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    put(server, name, "v2")
    page = visit(f"{server.url}/m/{name}", script=script)
    page.get_by_role("link", name="Roll back… production").click()
    expect(page.get_by_text("Stands by, warm: back in milliseconds")).to_be_visible()
    table = page.get_by_role("table", name="Production, as it is")
    expect(table.locator("tbody tr").first).to_contain_text("1 older than what is there")
    expect(table).to_contain_text("worse by 0.02")
    expect(page.get_by_role("region", name="What happens")).to_contain_text("gets the traffic at once")
    page.get_by_label("Reason").fill("Sixes are wrong again")
    page.get_by_role("button", name="Roll back to v1").click()
    page.wait_for_url("**/operation/*")
    ends(page, "Done")
    assert steps(page) == ["done"] * 4
    expect(page.locator("#progress")).to_contain_text("it stood by, warm")
    record = deployed(server, name)
    assert (record["version"], record["by"]["change"], record["by"]["reason"]) == (
        "v1",
        "rollback",
        "Sixes are wrong again",
    )


def test_the_page_that_deploys_rolls_back_too(server: Live, visit: Visit) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    put(server, name, "v2")
    page = visit(f"{server.url}/deploy/{name}?environment=production", script=False)
    back = page.get_by_role("region", name="Roll back production")
    expect(back).to_contain_text("From v2 to v1, which stands by, warm")
    back.get_by_label("Reason").fill("Back")
    back.get_by_role("button", name="Roll back to v1").click()
    ends(page, "Done")
    assert deployed(server, name)["version"] == "v1"


def test_an_earlier_version_is_chosen(server: Live, visit: Visit) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    put(server, name, "v2")
    server.upload(name, "v3")
    put(server, name, "v3")
    page = visit(f"{server.url}/rollback/{name}/production", script=False)
    expect(page.get_by_label("v2")).to_be_checked()
    page.get_by_label("v1").check()
    page.get_by_role("button", name="Show the effect").click()
    page.get_by_role("button", name="Roll back to v1").click()
    ends(page, "Done")
    assert deployed(server, name)["version"] == "v1"


def test_where_nothing_was_before_it_is_refused_with_what_to_do(server: Live, visit: Visit) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    page = visit(f"{server.url}/rollback/{name}/production", script=False)
    expect(page.get_by_text(f"No version of {name} was deployed in production before v1.")).to_be_visible()
    expect(page.get_by_role("button", name="Roll back to nothing")).to_have_attribute("aria-disabled", "true")
    before = told(server, name)
    page.get_by_role("button", name="Roll back to nothing").click(force=True)
    expect(page.get_by_role("alert")).to_contain_text("Nothing was started or changed. nothing_to_restore")
    assert told(server, name) == before
    page.get_by_role("link", name="Undeploy it instead").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Undeploy {name}")


@either
def test_a_model_is_taken_out_of_service(server: Live, visit: Visit, script: bool) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    page = visit(f"{server.url}/m/{name}", script=script)
    page.get_by_role("link", name="Undeploy… from production").click()
    what = page.get_by_role("region", name="What happens")
    expect(what).to_contain_text(f"requests for {name} in production are refused (404)")
    page.get_by_label("Reason").fill("Retired")
    page.get_by_role("button", name="Undeploy v1 from production").click()
    ends(page, "Done")
    expect(page.locator("#progress")).to_contain_text(f"Nothing of {name} answers in production now.")
    assert deployed(server, name)["version"] is None
    assert server.http.get(f"/serve/production/{name}/v2/health/ready").status_code == 404
    page.goto(f"{server.url}/undeploy/{name}/production")
    expect(page.get_by_text(f"Nothing of {name} is in production.", exact=False).first).to_be_visible()
    page.goto(f"{server.url}/rollback/{name}/production")
    expect(page.get_by_role("link", name="Deploy a version to production")).to_be_visible()


def test_a_rollback_sent_twice_goes_back_once(server: Live) -> None:
    name = fresh("flowers")
    two_versions(server, name)
    put(server, name, "v2")
    server.upload(name, "v3")
    put(server, name, "v3")
    with visitor(server) as client:
        page = client.get(f"/rollback/{name}/production")
        sent = {"token": token(page), "from": "3", "reason": "twice"}
        first = client.post(f"/rollback/{name}/production", data=sent)
        assert first.status_code == 303
        operation = server.home.deployer.operations.get(first.headers["location"].rpartition("/")[2])
        operation.result()
        again = client.post(f"/rollback/{name}/production", data=sent)
    assert again.status_code == 409
    assert "is not deployed in production: version 2 is" in again.text
    assert deployed(server, name)["version"] == "v2"


@pytest.mark.parametrize("path", ["deploy/{}", "rollback/{}/production", "undeploy/{}/production"])
def test_nothing_is_begun_without_the_token(server: Live, flowers: str, path: str) -> None:
    before = told(server, flowers)
    with visitor(server) as client:
        where = f"/{path.format(flowers)}"
        client.get(where)
        answer = client.post(where, data={"environment": "production", "version": "v2", "from": "1"})
    assert answer.status_code == 403
    assert "open the page again" in answer.text
    assert (told(server, flowers), deployed(server, flowers)["version"]) == (before, "v1")


@pytest.mark.parametrize(
    ("sent", "field"),
    [({"from": "x"}, "from"), ({"from": "0"}, "from"), ({"from": "1", "expected": "zz"}, "expected")],
)
def test_a_rollback_that_no_page_made_is_refused(
    server: Live, flowers: str, sent: dict[str, str], field: str
) -> None:
    before = told(server, flowers)
    with visitor(server) as client:
        page = client.get(f"/rollback/{flowers}/production")
        answer = client.post(f"/rollback/{flowers}/production", data={"token": token(page), **sent})
    assert answer.status_code == 400
    assert f"{field}: must be" in answer.text
    assert told(server, flowers) == before
