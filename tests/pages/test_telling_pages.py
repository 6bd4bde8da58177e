"""Webhooks and checkpoints, as people see and use them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.live import fresh
from tests.pages.acting import token
from tests.pages.conftest import Visit
from tests.pages.entering import Guarded
from tests.pages.entering import guarded as opened
from tests.receivers import Receiver, receiving

pytestmark = pytest.mark.needs("chromium")

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("home") / "registry"
    with opened(home, webhook_hosts=("127.0.0.1",)) as found:
        yield found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


class TestWebhooks:
    @either
    def test_one_is_added_its_secret_shown_once_and_its_deliveries_with_every_attempt(
        self, guarded: Guarded, visit: Visit, receiver: Receiver, script: bool
    ) -> None:
        name, model = fresh("hook"), fresh()
        receiver.answer = lambda _: 500
        page = visit(f"{guarded.server.url}/login", script=script)
        guarded.enter(page, "root", "/webhooks")
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_label("Models", exact=False).fill(model)
        page.get_by_role("button", name="Add the webhook").click()
        secret = page.locator("#secret code").inner_text()
        guarded.ask("POST", "/api/v1/models", json={"name": model})
        receiver.next().verified(secret)
        page.goto(f"{guarded.server.url}/webhooks/{name}")
        assert secret not in page.content()
        row = page.get_by_role("row").filter(has_text="create-model")
        expect(row).to_contain_text("waiting")
        receiver.answer = lambda _: 200
        row.get_by_role("button", name="Send again").click()
        receiver.next()
        expect(row).to_contain_text("delivered")
        page.get_by_role("link", name="failed", exact=True).click()
        expect(page.get_by_text("Nothing of that state.")).to_be_visible()
        page.get_by_role("button", name="Disable it").click()
        expect(page.get_by_text("disabled by root")).to_be_visible()
        page.get_by_role("button", name="Enable it").click()
        expect(page.get_by_text("disabled by root")).to_have_count(0)
        page.get_by_role("button", name="Remove it").click()
        expect(page).to_have_url(f"{guarded.server.url}/webhooks")
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)

    def test_what_is_wrong_with_a_new_one_stands_beside_its_field(
        self, guarded: Guarded, visit: Visit
    ) -> None:
        page = visit(f"{guarded.server.url}/login")
        guarded.enter(page, "root", "/webhooks")
        page.get_by_label("Name", exact=True).fill("no/name")
        page.get_by_label("Address").fill("https://example.com/")
        page.get_by_label("Kinds of change").fill("deploy explode")
        page.get_by_role("button", name="Add the webhook").click()
        expect(page.locator("#name-wrong")).to_contain_text("must be 1 to 63 letters")
        expect(page.locator("#kinds-wrong")).to_contain_text("explode")
        expect(page.get_by_label("Kinds of change")).to_have_value("deploy explode")

    def test_who_is_no_admin_sees_none_and_reads_who_can_help(self, guarded: Guarded) -> None:
        with guarded.visitor(guarded.account("maintainer")) as client:
            answer = client.get("/webhooks")
            assert (answer.status_code, "an admin can make" in answer.text.lower()) == (403, True)
            sent = {"token": token(client.get("/you")), "name": "x", "url": "https://example.com/"}
            assert client.post("/webhooks", data=sent).status_code == 403
            sent = {"token": sent["token"], "part": "remove"}
            assert client.post("/webhooks/x", data=sent).status_code == 403
        assert "x" not in [each["name"] for each in guarded.ask("GET", "/api/v1/webhooks")["items"]]


class TestCheckpoints:
    @either
    def test_one_is_signed_and_shown_with_the_key_and_how_to_check(
        self, guarded: Guarded, visit: Visit, script: bool
    ) -> None:
        guarded.account()
        page = visit(f"{guarded.server.url}/login", script=script)
        guarded.enter(page, "root", "/checkpoints")
        page.get_by_role("button", name="Sign now").click()
        found = guarded.ask("GET", "/api/v1/checkpoints")
        newest = page.locator("tbody tr").first
        expect(newest).to_contain_text(found["items"][0]["commit"][:10])
        expect(page.get_by_role("region", name="The public key")).to_contain_text(found["key"])
        expect(page.get_by_label("Commands that check a clone")).to_contain_text("muster verify --against")

    def test_who_sees_one_model_sees_none(self, guarded: Guarded) -> None:
        with guarded.visitor(guarded.account()) as client:
            answer = client.get("/checkpoints")
            assert (answer.status_code, "viewer on the registry" in answer.text) == (403, True)
            sent = {"token": token(client.get("/you"))}
            assert client.post("/checkpoints", data=sent).status_code == 403
