"""Releases over HTTP: several models move at once, are seen in every history, and come back at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live import Live, fresh

RELEASES = "/api/v1/releases"
WAIT = {"wait": "true"}


@pytest.fixture
def pair(server: Live) -> tuple[str, str]:
    """Two models with two versions each."""
    names = fresh(), fresh()
    for name in names:
        for label in ("v1", "v2"):
            server.upload(name, label)
    return names


def make(server: Live, *versions: object, **body: object) -> dict[str, Any]:
    body = {"environment": "staging", "versions": list(versions), **body}
    made: dict[str, Any] = server.send("POST", RELEASES, json=body, params=WAIT).json()
    return made


def running(server: Live, *models: str) -> list[str]:
    found = server.send("GET", "/api/v1/deployments", params={"environment": "staging"}).json()["items"]
    return sorted(each["model_id"] for each in found if each["model"] in models)


def test_it_moves_all_in_one_commit_and_takes_them_back_in_one(server: Live, pair: tuple[str, str]) -> None:
    one, two = pair
    first = make(server, f"{one}/v1", {"ref": f"{two}/v1"}, reason="together")
    second = make(server, f"{one}/v2", f"{two}/v2")
    assert running(server, one, two) == sorted([f"{one}_v2", f"{two}_v2"])
    assert (first["by"]["reason"], first["by"]["change"], first["state"]) == ("together", "release", "made")
    assert [each["replaced"] and each["replaced"]["version"] for each in second["parts"]] == [1, 1]
    for name in pair:
        told = server.send("GET", "/api/v1/changes", params={"model": name, "kind": "release"}).json()
        assert [each["commit"] for each in told["items"]] == [second["by"]["commit"], first["by"]["commit"]]
        assert told["count"] == 2
        (served,) = server.send("GET", f"/api/v1/models/{name}/served").json()["items"]
        assert (served["number"], served["by"]["commit"]) == (2, second["by"]["commit"])

    back = server.send("POST", f"{RELEASES}/{second['id']}/back", json={"reason": "no"}, params=WAIT).json()
    assert (back["state"], back["taken_back"]["reason"]) == ("taken-back", "no")
    assert running(server, one, two) == sorted([f"{one}_v1", f"{two}_v1"])
    answer = server.http.post(f"{RELEASES}/{second['id']}/back", json={})
    assert (answer.status_code, "already" in answer.json()["detail"]) == (409, True)

    refused = server.http.post(f"{RELEASES}/{first['id']}/back", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_restore")
    server.send("POST", f"{RELEASES}/{first['id']}/back", json={"empty": True}, params=WAIT)
    assert running(server, one, two) == []


def test_one_that_does_not_start_leaves_all_as_they_were(server: Live, pair: tuple[str, str]) -> None:
    one, two = pair
    make(server, f"{one}/v1", f"{two}/v1")
    server.upload(two, "broken", {"model.onnx": b"no model at all"})
    answer = server.http.post(
        RELEASES,
        json={"environment": "staging", "versions": [f"{one}/v2", f"{two}/broken"]},
        params=WAIT,
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "did_not_start")
    assert running(server, one, two) == sorted([f"{one}_v1", f"{two}_v1"])
    (failed,) = server.send("GET", "/api/v1/changes", params={"model": two, "kind": "deploy-failed"}).json()[
        "items"
    ]
    assert failed["number"] == 3


def test_a_dry_run_shows_every_part_and_begins_nothing(server: Live, pair: tuple[str, str]) -> None:
    one, two = pair
    body = {"environment": "staging", "versions": [f"{one}/v1", f"{two}/v1"]}
    seen = server.send("POST", RELEASES, json=body, params={"dry_run": "true"}).json()
    assert len(seen["effects"]) == 2
    paths = {each["path"] for each in seen["changes"]}
    assert sum(path.startswith("deployments/staging/") for path in paths) == 2
    assert running(server, one, two) == []


def test_the_same_request_again_makes_no_second_release(server: Live, pair: tuple[str, str]) -> None:
    one, two = pair
    body = {"environment": "staging", "versions": [f"{one}/v1", f"{two}/v1"]}
    key = {"idempotency-key": fresh()}
    first = server.send("POST", RELEASES, json=body, params=WAIT, headers=key).json()
    again = server.send("POST", RELEASES, json=body, params=WAIT, headers=key).json()
    assert again == first


def test_releases_are_listed_the_latest_first(server: Live, pair: tuple[str, str]) -> None:
    one, two = pair
    ids = [make(server, f"{one}/{label}", f"{two}/{label}")["id"] for label in ("v1", "v2")]
    page = server.send("GET", RELEASES, params={"limit": 1}).json()
    assert [each["id"] for each in page["items"]] == [ids[1]]
    rest = server.send("GET", RELEASES, params={"limit": 1, "after": page["next"]}).json()
    assert [each["id"] for each in rest["items"]] == [ids[0]]
    assert server.send("GET", f"{RELEASES}/{ids[0]}").json() == rest["items"][0]
    assert server.send("GET", RELEASES, params={"environment": "moon"}).json()["count"] == 0


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"versions": ["a/1"]}, 400, "environment"),
        ({"environment": "staging"}, 400, "versions"),
        ({"environment": "staging", "versions": []}, 400, "versions"),
        ({"environment": "staging", "versions": [{"config": {}}]}, 400, "versions[0].ref"),
        ({"environment": "staging", "versions": [3]}, 400, "versions[0]"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(
    server: Live, body: dict[str, object], status: int, field: str
) -> None:
    answer = server.http.post(RELEASES, json=body)
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (status, field)


def test_a_release_that_is_not_there_is_missing(server: Live) -> None:
    assert server.http.get(f"{RELEASES}/R-99999").status_code == 404
    assert server.http.post(f"{RELEASES}/R-99999/back", json={}).status_code == 404
