"""What needs attention: reviews that are overdue, and what is deployed and lacks what is required."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

from tests.live import Live, fresh, live

REQUIRED = {"properties": {"tags": {"required": ["risk_tier"]}}}


def attention(server: Live) -> str:
    """The words of the list on the overview."""
    page = server.send("GET", "/", headers={"Accept": "text/html"}).text
    part = page[page.index('id="attention"') : page.index("What runs where")]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split())


def deployed(server: Live, **fields: Any) -> str:
    name = fresh()
    model_id = server.register(name, owner="ada", **fields)
    server.send("POST", f"/models/{model_id}/deploy")
    return name


def tag(server: Live, path: str, **tags: str | None) -> None:
    server.send("PATCH", f"/api/v1/models/{path}", json={"tags": tags})


def test_an_overdue_review_is_shown_until_the_next_is_said(server: Live) -> None:
    name = deployed(server)
    assert name not in attention(server)
    tag(server, name, review_due="2026-01-01")
    shown = attention(server)
    assert f"{name} v1 is overdue for review" in shown
    assert "it is deployed in production, and its review was due on 2026-01-01" in shown
    tag(server, f"{name}/versions/v1", review_due="2999-01-01")
    assert name not in attention(server)
    tag(server, f"{name}/versions/v1", review_due="soon")
    assert "review_due is 'soon', which is no day" in attention(server)
    server.send("DELETE", f"/api/v1/deployments/production/{name}", params={"wait": "true"})
    assert name not in attention(server)


def test_what_lacks_a_field_is_shown_as_long_as_it_is_required(server: Live) -> None:
    lacking, having = deployed(server), deployed(server, tags={"risk_tier": "low"})
    server.send("PUT", "/api/v1/requirements/registry", json={"schema": REQUIRED})
    shown = attention(server)
    assert f"{lacking} v1 lacks what is required" in shown
    assert "it is deployed in production: tags.risk_tier is required" in shown
    assert having not in shown
    new = fresh("renamed")
    server.send("POST", f"/api/v1/models/{having}/versions", json={"version": "v2"})
    tag(server, lacking, risk_tier="low")
    assert lacking not in attention(server)
    tag(server, f"{having}/versions/v1", risk_tier=None)
    assert f"{having} v1 lacks" in attention(server)
    server.send("DELETE", f"/api/v1/deployments/production/{having}", params={"wait": "true"})
    server.send("POST", f"/api/v1/models/{having}/rename", json={"name": new})
    server.send("POST", f"/models/{new}_v1/deploy")
    shown = attention(server)
    assert f"{new} v1 lacks" in shown
    assert having not in shown
    server.send("DELETE", "/api/v1/requirements/registry")
    assert new not in attention(server)


def test_a_server_that_begins_knows_what_is_owed(tmp_path: Path) -> None:
    with live(tmp_path / "home") as server:
        name = deployed(server, tags={"review_due": "2026-01-01"})
        card = "# Intended use\n\nPost.\n"
        server.send("PATCH", f"/api/v1/models/{name}", json={"card": card})
        schema = {"properties": {"card": {"required": ["Limits"]}}}
        server.send("PUT", "/api/v1/requirements/registry", json={"schema": schema})
    with live(tmp_path / "home") as server:
        shown = attention(server)
        assert f"{name} v1 is overdue for review" in shown
        assert "card.Limits is required" in shown


def test_what_is_banned_or_made_of_it_is_shown_while_it_runs(server: Live) -> None:
    data, name = fresh("data"), deployed(server)
    child = deployed(server, bases=[{"ref": f"{name}/v1"}], training_data=data)
    server.send("POST", "/api/v1/bans", json={"of": f"{name}/v1", "reason": "it leaks"})
    shown = attention(server)
    assert f"{name} v1 is banned it runs in production: it leaks" in shown
    built = f"{child} v1 was built on what is banned it runs in production; it is {name}/v1: it leaks"
    assert built in shown
    page = server.send("GET", f"/m/{child}/v1", headers={"Accept": "text/html"}).text
    assert "Built on what is banned" in page
    assert "it leaks" in page
    server.send("DELETE", f"/api/v1/deployments/production/{name}", params={"wait": "true"})
    assert f"{name} v1 is banned" not in attention(server)
    server.send("DELETE", "/api/v1/bans", params={"of": f"{name}/v1", "reason": "it does not"})
    assert child not in attention(server)
    server.send("POST", "/api/v1/retractions", json={"of": data, "reason": "no consent"})
    assert f"{child} v1 was trained on data that is retracted" in attention(server)
    server.send("DELETE", f"/api/v1/deployments/production/{child}", params={"wait": "true"})
    assert child not in attention(server)
