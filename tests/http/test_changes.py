"""Who did what, field by field, and how it was at any time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live import Live, fresh


@pytest.fixture
def told(server: Live) -> tuple[str, list[str]]:
    """A model with a history of its own, and its commits, oldest first."""
    name = fresh()
    steps: list[tuple[str, str, Any]] = [
        ("POST", "/models", {"name": name, "version": "v1", "description": "d", "training_data": "t"}),
        ("POST", "/models", {"name": name, "version": "v2", "description": "d", "training_data": "t"}),
        ("POST", f"/models/{name}_v1/deploy", {"reason": "First"}),
        ("PATCH", f"/api/v1/models/{name}/versions/v1", {"owner": "ada", "tags": {"lang": "de"}}),
        ("POST", f"/models/{name}_v2/deploy", {"reason": "Second"}),
    ]
    who = {"X-Muster-Actor": f"actor-{name}"}
    answers = [server.send(method, path, json=body, headers=who) for method, path, body in steps]
    commits = [answer.headers["Muster-Commit"] for answer in answers]
    return name, commits


def changes(server: Live, **query: Any) -> list[Any]:
    items: list[Any] = server.send("GET", "/api/v1/changes", params=query).json()["items"]
    return items


def test_changes_are_newest_first_and_filtered(server: Live, told: tuple[str, list[str]]) -> None:
    name, commits = told
    assert [each["commit"] for each in changes(server, model=name)] == commits[::-1]
    assert [each["commit"] for each in changes(server, actor=f"actor-{name}")] == commits[::-1]
    kinds = changes(server, model=name, kind=["deploy", "update"])
    assert [each["change"] for each in kinds] == ["deploy", "update", "deploy"]
    assert [each["commit"] for each in changes(server, model=name, environment="production")] == [
        commits[4],
        commits[2],
    ]
    times = [each["time"] for each in changes(server, model=name)][::-1]
    between = changes(server, model=name, since=times[1], until=times[3])
    assert {each["commit"] for each in between} >= {commits[2]}
    assert commits[0] not in {each["commit"] for each in between}
    assert commits[4] not in {each["commit"] for each in between}


def test_the_history_of_a_version_says_how_many_changes_there_are(
    server: Live, told: tuple[str, list[str]]
) -> None:
    name, _ = told
    path = f"/api/v1/models/{name}/versions/v1/history"
    page = server.send("GET", path, params={"limit": 1}).json()
    assert (len(page["items"]), page["count"]) == (1, 4)
    assert server.send("GET", path, params={"after": page["next"]}).json()["count"] == 4


def test_changes_come_page_by_page(server: Live, told: tuple[str, list[str]]) -> None:
    name, commits = told
    seen: list[str] = []
    query: dict[str, Any] = {"model": name, "limit": 2}
    while True:
        page = server.send("GET", "/api/v1/changes", params=query).json()
        seen += [each["commit"] for each in page["items"]]
        assert page["count"] == len(commits)
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == commits[::-1]


def test_a_change_shows_its_diff_field_by_field(server: Live, told: tuple[str, list[str]]) -> None:
    _, commits = told
    change = server.send("GET", f"/api/v1/changes/{commits[3]}").json()
    assert change["change"] == "update"
    assert [(d["field"], d["before"], d["after"]) for d in change["diff"]] == [
        ("owner", None, "ada"),
        ("tags.lang", None, "de"),
    ]
    assert server.send("GET", f"/api/v1/changes/{commits[3][:12]}").json() == change
    for unknown in ("0" * 40, "xyz", "abc"):
        assert server.http.get(f"/api/v1/changes/{unknown}").status_code == 404


def test_a_record_is_as_it_was_at_a_commit_or_a_time(server: Live, told: tuple[str, list[str]]) -> None:
    name, commits = told
    path = f"/api/v1/models/{name}/versions/v1"
    times = [each["time"] for each in changes(server, model=name)][::-1]
    for at in (commits[2], times[2]):
        then = server.send("GET", path, params={"at": at})
        assert (then.json()["owner"], then.json()["deployed_in"]) == (None, ["production"])
        assert then.headers["Muster-Head"] == commits[2]
    now = server.send("GET", path, params={"at": commits[4]}).json()
    assert now == server.send("GET", path).json()
    assert server.send("GET", f"/api/v1/models/{name}", params={"at": commits[0]}).json()["next_number"] == 2
    at = {"ref": f"{name}:production", "at": commits[3]}
    assert server.send("GET", "/api/v1/resolve", params=at).json()["version"] == "v1"


def test_the_list_of_deployments_is_as_it_was_at_a_time(server: Live, told: tuple[str, list[str]]) -> None:
    name, commits = told
    path = "/api/v1/deployments"
    numbers = []
    for at in (*commits[2:], None):
        query = {"model": name, "environment": "production"} | ({"at": at} if at else {})
        items = server.send("GET", path, params=query).json()["items"]
        numbers.append([(item["number"], item["by"]["reason"]) for item in items])
    assert numbers == [[(1, "First")], [(1, "First")], [(2, "Second")], [(2, "Second")]]
    assert server.send("GET", path, params={"model": name, "at": commits[1]}).json()["items"] == []
    then = server.send("GET", f"{path}/production/{name}", params={"at": commits[1]}).json()
    assert then["number"] is None


@pytest.mark.parametrize(
    ("at", "status"),
    [("yesterday", 400), ("2026-01-01T00:00:00", 400), ("1999-01-01T00:00:00Z", 404), ("0" * 40, 404)],
)
def test_a_moment_that_is_none_is_refused(server: Live, at: str, status: int) -> None:
    for path in ("/api/v1/deployments", "/api/v1/models/m", "/api/v1/models/m/versions/1"):
        assert server.http.get(path, params={"at": at}).status_code == status


def test_the_history_of_a_version_is_the_same_from_every_door(
    server: Live, told: tuple[str, list[str]]
) -> None:
    name, commits = told
    plain = server.send("GET", f"/models/{name}_v1/history").json()
    assert server.send("GET", "/api/v1/history", params={"model_id": f"{name}_v1"}).json() == plain
    items = server.send("GET", f"/api/v1/models/{name}/versions/v1/history").json()["items"]
    assert [each["commit"] for each in items] == [each["commit"] for each in plain["history"]]
    assert plain["history"][0]["commit"] == commits[4]
