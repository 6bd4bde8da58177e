"""Who may what, as people see and change it: accounts, teams, roles, tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.live import fresh
from tests.pages.acting import token
from tests.pages.conftest import Visit
from tests.pages.entering import Guarded
from tests.pages.entering import guarded as opened

pytestmark = pytest.mark.needs("chromium")

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with opened(tmp_path_factory.mktemp("home") / "registry") as found:
        yield found


def done(page: Page, subject: str) -> None:
    """The page says what was recorded."""
    expect(page.locator("#flash")).to_contain_text(f"Done. {subject}")


class TestAccess:
    @either
    def test_an_admin_makes_accounts_a_team_and_gives_it_a_role(
        self, guarded: Guarded, visit: Visit, script: bool
    ) -> None:
        person, service, team = fresh("ada"), fresh("bot"), fresh("risk")
        page = visit(f"{guarded.server.url}/login", script=script)
        guarded.enter(page, "root", "/access")
        page.get_by_label("Id as the history").fill(person)
        page.get_by_role("button", name="Make the account").click()
        done(page, f"Create account {person}")
        page.get_by_label("Id as the history").fill(service)
        page.get_by_label("Kind", exact=True).select_option("service")
        page.get_by_label("Owner of a service").fill(person)
        page.get_by_role("button", name="Make the account").click()
        expect(page.get_by_role("row").filter(has_text=service)).to_contain_text(f"service of {person}")
        page.get_by_label("Name small letters").fill(team)
        page.get_by_label("Members accounts").fill(f"{person}, root")
        page.get_by_role("button", name="Make the team").click()
        done(page, f"Create team {team}")
        page.get_by_label("Who an account").fill(f"team:{team}")
        page.get_by_label("deployer").check()
        page.get_by_role("button", name="Set these roles").click()
        done(page, f"Make team:{team} deployer of the registry")
        page.get_by_role("link", name=f"Change… the roles of team:{team}").click()
        expect(page.get_by_label("deployer")).to_be_checked()
        page.get_by_label("deployer").uncheck()
        page.get_by_role("button", name="Set these roles").click()
        done(page, "Take deployer of the registry")
        assert guarded.ask("GET", "/api/v1/roles")["grants"] == {"root": ["admin"]}

    def test_what_was_wrong_stands_beside_its_field_and_what_was_typed_is_kept(
        self, guarded: Guarded, visit: Visit
    ) -> None:
        page = visit(f"{guarded.server.url}/login")
        guarded.enter(page, "root", "/access")
        page.get_by_label("Name small letters").fill("Not so")
        page.get_by_label("Description").fill("kept")
        page.get_by_role("button", name="Make the team").click()
        expect(page.locator("#team-wrong")).to_contain_text("must")
        expect(page.get_by_label("Description")).to_have_value("kept")
        page.get_by_label("Name small letters").fill("fine")
        page.get_by_label("Members accounts").fill("nobody-here")
        page.get_by_role("button", name="Make the team").click()
        expect(page.locator("#members-wrong")).to_contain_text("Account not found: nobody-here")
        page.get_by_label("Id as the history").fill("root")
        page.get_by_role("button", name="Make the account").click()
        expect(page.locator("#account-wrong")).to_contain_text("there already")

    def test_an_account_that_goes_shows_what_it_owns_and_its_tokens_end(
        self, guarded: Guarded, visit: Visit
    ) -> None:
        name, model, bot = guarded.account("contributor"), fresh(), fresh("bot")
        guarded.ask("POST", "/api/v1/models", json={"name": model, "owner": name})
        guarded.ask("POST", "/api/v1/accounts", json={"id": bot, "kind": "service", "owner": name})
        guarded.secret(name)
        page = visit(f"{guarded.server.url}/login")
        guarded.enter(page, "root", f"/access/account/{name}")
        expect(page.get_by_role("region", name="What it owns")).to_contain_text(f"model {model}")
        expect(page.get_by_role("region", name="What it owns")).to_contain_text(f"service {bot}")
        page.get_by_label("Reason").fill("Left us")
        page.get_by_role("button", name=f"Disable {name}").click()
        done(page, f"Disable account {name}")
        expect(page.get_by_text("No tokens")).to_be_visible()
        page.get_by_role("button", name=f"Enable {name}").click()
        done(page, f"Enable account {name}")

    def test_a_teams_members_come_and_go_and_its_models_roles_are_given(
        self, guarded: Guarded, visit: Visit
    ) -> None:
        one, other, team = guarded.account(), guarded.account(), fresh("team")
        guarded.ask("POST", "/api/v1/teams", json={"name": team, "members": [one]})
        page = visit(f"{guarded.server.url}/login")
        guarded.enter(page, "root", f"/access/team/{team}")
        page.get_by_label("Add members").fill(other)
        page.get_by_label(one, exact=True).check()
        page.get_by_role("button", name="Change the team").click()
        done(page, f"Update team {team}, adding {other} and removing {one}")
        page.get_by_label("Who an account").fill(other)
        page.get_by_label("maintainer").check()
        page.get_by_role("button", name="Set these roles").click()
        done(page, f"Make {other} maintainer of the models of team {team}")
        page.get_by_role("button", name="Delete the team").click()
        done(page, f"Delete team {team}")

    def test_roles_are_given_on_a_model_and_in_an_environment_by_who_manages_them(
        self, guarded: Guarded, visit: Visit
    ) -> None:
        model, other = fresh(), guarded.account()
        guarded.ask("POST", "/api/v1/models", json={"name": model})
        keeper = guarded.account()
        grant = {"subject": keeper, "roles": ["maintainer"], "scope": "model", "name": model}
        guarded.ask("PUT", "/api/v1/roles", json=grant)
        page = visit(f"{guarded.server.url}/login")
        guarded.enter(page, keeper, f"/m/{model}")
        page.get_by_role("link", name="Access", exact=True).last.click()
        page.get_by_label("Who an account").fill(other)
        page.get_by_label("viewer").check()
        page.get_by_role("button", name="Set these roles").click()
        done(page, f"Make {other} viewer of model {model}")
        guarded.enter(page, "root", "/access/environment/staging")
        page.get_by_label("Who an account").fill(other)
        page.get_by_label("deployer").check()
        page.get_by_role("button", name="Set these roles").click()
        done(page, f"Make {other} deployer of environment staging")


class TestRefusals:
    def test_what_is_not_theirs_is_not_offered_and_says_the_rule_and_who_can_help(
        self, guarded: Guarded
    ) -> None:
        name = guarded.account("viewer")
        with guarded.visitor(name) as client:
            page = client.get("/access").text
            assert 'aria-disabled="true">Make the account' in page
            assert f"{name} is viewer" in page
            assert "Rule: <code>access</code>" in page
            assert 'name="account"' not in page
            sent = {"token": token(client.get("/you")), "part": "account", "account": "sneaky"}
            answer = client.post("/access", data=sent)
            assert answer.status_code == 403
            assert "admin" in answer.text
        assert "sneaky" not in [each["id"] for each in guarded.ask("GET", "/api/v1/accounts")["items"]]

    def test_who_sees_one_model_sees_no_accounts_and_no_way_to_give_roles_on_it(
        self, guarded: Guarded
    ) -> None:
        model, name = fresh(), guarded.account()
        guarded.ask("POST", "/api/v1/models", json={"name": model})
        grant = {"subject": name, "roles": ["viewer"], "scope": "model", "name": model}
        guarded.ask("PUT", "/api/v1/roles", json=grant)
        with guarded.visitor(name) as client:
            refused = client.get("/access")
            assert (refused.status_code, "root" in refused.text) == (403, False)
            assert "viewer on the registry" in refused.text
            assert 'aria-disabled="true">Set roles' in client.get(f"/access/model/{model}").text
            assert client.get("/access/account/root").status_code == 403

    def test_a_hidden_models_access_is_a_missing_models(self, guarded: Guarded) -> None:
        model, name = fresh(), guarded.account()
        guarded.ask("POST", "/api/v1/models", json={"name": model})
        with guarded.visitor(name) as client:
            hidden = client.get(f"/access/model/{model}")
            assert hidden.status_code == client.get("/access/model/nowhere").status_code == 404

    def test_the_last_admin_stays(self, guarded: Guarded) -> None:
        with guarded.visitor("root") as client:
            sent = {"token": token(client.get("/access")), "part": "roles", "subject": "root"}
            answer = client.post("/access", data=sent)
        assert answer.status_code == 409
        assert "make somebody else admin first" in answer.text

    def test_a_form_without_the_visitors_token_is_refused(self, guarded: Guarded) -> None:
        with guarded.visitor("root") as client:
            for path in ("/access", "/you/tokens", "/access/account/root", "/access/team/x"):
                assert client.post(path, data={"part": "account"}).status_code == 403


class TestTokens:
    @either
    def test_a_token_is_made_with_limits_shown_once_and_revoked(
        self, guarded: Guarded, visit: Visit, script: bool
    ) -> None:
        name = guarded.account("contributor")
        page = visit(f"{guarded.server.url}/login", script=script)
        guarded.enter(page, name, "/you")
        expect(page.get_by_role("region", name="What you may")).to_contain_text("contributor")
        page.get_by_label("What it is for").fill("nightly runs")
        page.get_by_label("Days that it lasts").fill("7")
        page.get_by_label("What it is good for").select_option("viewer")
        page.get_by_role("button", name="Make a token").click()
        secret = page.locator("#secret code").inner_text()
        guarded.server.home.gate.identify(secret)
        row = page.get_by_role("row").filter(has_text="nightly runs")
        expect(row).to_contain_text("as viewer")
        page.goto(f"{guarded.server.url}/you")
        assert secret not in page.content()
        page.get_by_role("row").filter(has_text="nightly runs").get_by_role("button").click()
        expect(page.get_by_text("nightly runs")).to_have_count(0)
        with pytest.raises(Exception, match="not known here"):
            guarded.server.home.gate.identify(secret)

    def test_wrong_limits_are_said_beside_their_fields(self, guarded: Guarded, visit: Visit) -> None:
        page = visit(f"{guarded.server.url}/login")
        guarded.enter(page, guarded.account("viewer"), "/you")
        page.get_by_label("Days that it lasts").fill("soon")
        page.get_by_role("button", name="Make a token").click()
        expect(page.locator("#days-wrong")).to_contain_text("must")
        page.get_by_label("Days that it lasts").fill("")
        page.get_by_label("Only in these environments").fill("staging")
        page.get_by_role("button", name="Make a token").click()
        expect(page.locator("#limit_role-wrong")).to_contain_text("must be chosen")

    def test_anothers_token_is_not_revoked(self, guarded: Guarded) -> None:
        name = guarded.account("viewer")
        guarded.secret("root")
        theirs = guarded.ask("GET", "/api/v1/tokens?account=root")["items"][0]["id"]
        with guarded.visitor(name) as client:
            sent = {"token": token(client.get("/you")), "part": "revoke", "id": theirs}
            answer = client.post("/you/tokens", data=sent)
        assert answer.status_code == 404
        assert theirs in [each["id"] for each in guarded.ask("GET", "/api/v1/tokens?account=root")["items"]]
