"""What only an import may say: the number that a version had elsewhere, and its times."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live import Live, fresh

IMPORT = {"X-Muster-Import": "true", "X-Muster-Actor": "mover"}
TIMES = {
    "from": "http://there",
    "created_at": "2024-05-01T10:00:00+02:00",
    "last_updated": "2024-06-01T00:00:00Z",
}


def versions(name: str) -> str:
    return f"/api/v1/models/{name}/versions"


def registered(server: Live, name: str, number: int, **fields: Any) -> dict[str, Any]:
    body = {"number": number, "imported": TIMES, **fields}
    found: dict[str, Any] = server.send("POST", versions(name), json=body, headers=IMPORT).json()
    return found


def test_a_version_keeps_the_number_and_the_times_that_it_had(server: Live) -> None:
    name = fresh()
    made = registered(server, name, 4)
    assert (made["number"], made["model_id"]) == (4, f"{name}@4")
    assert made["created_at"] == "2024-05-01T08:00:00.000000Z"
    assert made["last_updated"] == "2024-06-01T00:00:00.000000Z"
    assert (made["imported"], made["imported_from"]) == (True, "http://there")
    assert made["recorded_at"] > "2025"
    assert registered(server, name, 2)["number"] == 2
    assert server.send("GET", f"/api/v1/models/{name}").json()["next_number"] == 5
    assert server.http.get(f"{versions(name)}/3").status_code == 404
    assert server.register(name, "own") == f"{name}_own"
    assert server.send("GET", f"{versions(name)}/own").json()["number"] == 5


def test_the_same_version_again_changes_nothing_and_another_is_refused(server: Live) -> None:
    name = fresh()
    registered(server, name, 2, description="one")
    again = server.http.post(
        versions(name), json={"number": 2, "imported": TIMES, "description": "one"}, headers=IMPORT
    )
    assert (again.status_code, "muster-commit" in again.headers) == (200, False)
    other = server.http.post(versions(name), json={"number": 2, "description": "two"}, headers=IMPORT)
    assert (other.status_code, other.json()["code"]) == (409, "version_exists")
    server.send("DELETE", f"{versions(name)}/2")
    gone = server.http.post(versions(name), json={"number": 2, "description": "one"}, headers=IMPORT)
    assert gone.status_code == 409
    assert "was deleted here" in gone.json()["detail"]


def test_its_changes_are_recorded_as_those_of_an_import(server: Live) -> None:
    name = fresh()
    registered(server, name, 1)
    server.send("PUT", f"{versions(name)}/1/stage", json={"stage": "production"}, headers=IMPORT)
    server.send("PATCH", f"{versions(name)}/1", json={"tags": {"a": "b"}, "imported": TIMES}, headers=IMPORT)
    history = server.send("GET", f"{versions(name)}/1/history").json()
    assert [(each["actor"], each["verified"], each["imported"]) for each in history["items"]] == [
        ("mover", False, True)
    ] * 3
    assert history["before"]["recorded"] is False
    found = server.send("GET", f"{versions(name)}/1").json()
    assert (found["last_updated"], found["deployed_in"]) == ("2024-06-01T00:00:00.000000Z", [])
    server.send("PATCH", f"{versions(name)}/1", json={"tags": {"a": "c"}})
    changed = server.send("GET", f"{versions(name)}/1").json()
    assert changed["last_updated"] > "2025"
    assert changed["created_at"] == found["created_at"]


@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [
        ({"number": 3}, {}, "number"),
        ({"imported": TIMES}, {}, "imported"),
        ({"number": 0}, IMPORT, "number"),
        ({"number": 2**31}, IMPORT, "number"),
        ({"imported": {}}, IMPORT, "imported"),
        ({"imported": {"created_at": "yesterday"}}, IMPORT, "imported.created_at"),
        ({"imported": {"created_at": "2024-01-01T00:00:00"}}, IMPORT, "imported.created_at"),
        ({"imported": {"by": "x"}}, IMPORT, "imported.by"),
        ({}, {"X-Muster-Import": "yes"}, "X-Muster-Import"),
    ],
)
def test_what_it_may_not_say_is_refused(
    server: Live, body: dict[str, Any], headers: dict[str, str], field: str
) -> None:
    name = fresh()
    answer = server.http.post(versions(name), json=body, headers=headers)
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["problems"]] == [field]
    assert server.http.get(f"/api/v1/models/{name}").status_code == 404


def test_what_was_made_here_does_not_become_imported(server: Live) -> None:
    name = fresh()
    server.register(name)
    for method, path in (("PATCH", f"{versions(name)}/1"), ("PATCH", f"/api/v1/models/{name}")):
        answer = server.http.request(
            method, path, json={"description": "x", "imported": TIMES}, headers=IMPORT
        )
        assert answer.status_code == 409
