"""`/api/v1`: models, versions, aliases, environments."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live import Live, fresh


def test_a_model_lives_from_creation_to_deletion(server: Live) -> None:
    name = fresh()
    path = f"/api/v1/models/{name}"
    made = server.http.post(
        "/api/v1/models",
        json={"name": name, "owner": "nlp", "description": "d", "tags": {"a": "1"}, "card": "# Card"},
    )
    assert made.status_code == 201
    assert server.http.get(path).json() == made.json()
    assert made.json()["card"] == "# Card"
    updated = server.send("PATCH", path, json={"owner": None, "tags": {"a": None, "b": "2"}, "card": "New"})
    assert (updated.json()["owner"], updated.json()["tags"]) == (None, {"b": "2"})
    assert (updated.json()["description"], updated.json()["card"]) == ("d", "New")
    assert updated.headers["ETag"] == f'"{updated.headers["Muster-Commit"]}"'
    assert server.http.delete(f"{path}?reason=Done").status_code == 204
    assert server.http.get(path).status_code == 404
    change = server.http.get("/api/v1/changes", params={"model": name, "limit": 1}).json()["items"][0]
    assert (change["change"], change["reason"]) == ("delete-model", "Done")


def test_a_model_is_created_once(server: Live) -> None:
    name = fresh()
    server.send("POST", "/api/v1/models", json={"name": name})
    assert server.http.post("/api/v1/models", json={"name": name}).status_code == 409


def test_an_update_that_changes_nothing_is_no_commit(server: Live) -> None:
    name = fresh()
    server.send("POST", "/api/v1/models", json={"name": name, "owner": "x"})
    assert "Muster-Commit" not in server.send("PATCH", f"/api/v1/models/{name}", json={"owner": "x"}).headers


def test_models_are_listed_page_by_page_and_filtered(server: Live) -> None:
    stem = fresh("listed")
    names = [f"{stem}-{letter}" for letter in "cab"]
    for name in names:
        server.send("POST", "/api/v1/models", json={"name": name, "owner": stem, "tags": {"k": name}})
    query: dict[str, Any] = {"owner": stem, "limit": 2}
    first = server.http.get("/api/v1/models", params=query).json()
    assert [item["name"] for item in first["items"]] == sorted(names)[:2]
    assert first["count"] == 3
    second = server.http.get("/api/v1/models", params={**query, "after": first["next"]}).json()
    assert [item["name"] for item in second["items"]] == sorted(names)[2:]
    assert second["next"] is None
    by_tag = server.http.get("/api/v1/models", params={"tag": f"k:{names[0]}"}).json()
    assert [item["name"] for item in by_tag["items"]] == names[:1]
    assert server.http.get("/api/v1/models", params={"text": stem.upper()}).json()["count"] == 3


def test_versions_get_numbers_that_are_never_used_again(server: Live) -> None:
    path = f"/api/v1/models/{fresh()}/versions"
    first = server.http.post(path, json={})
    assert first.status_code == 201
    assert (first.json()["number"], first.json()["version"]) == (1, "1")
    assert first.json()["model_id"].endswith("@1")
    assert server.http.delete(f"{path}/1").status_code == 204
    second = server.send("POST", path, json={"version": "v1", "description": "d"}).json()
    assert second["number"] == 2
    assert server.http.get(f"{path}/v1").json() == server.http.get(f"{path}/2").json() == second
    assert server.http.get(f"{path}/1").status_code == 404
    again = server.http.post(path, json={"version": "v1", "description": "d"})
    assert again.status_code == 200


def test_the_name_of_a_new_version_is_in_its_path_alone(server: Live) -> None:
    answer = server.http.post(f"/api/v1/models/{fresh()}/versions", json={"name": "other"})
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["field"] == "name"


def test_what_describes_a_version_changes_and_its_content_does_not(server: Live) -> None:
    name = fresh()
    server.register(name, metrics={"f1": 0.5}, owner="x")
    path = f"/api/v1/models/{name}/versions/v1"
    updated = server.send(
        "PATCH", path, json={"description": "New", "owner": None, "tags": {"k": "v"}}
    ).json()
    assert (updated["description"], updated["owner"], updated["tags"]) == ("New", None, {"k": "v"})
    refused = server.http.patch(path, json={"metrics": {"f1": 0.9}})
    assert (refused.status_code, refused.json()["problems"][0]["field"]) == (400, "metrics")
    assert (
        server.send("PUT", f"{path}/stage", json={"stage": "archived"}).json()["deployment_status"]
        == "archived"
    )


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        ("number", [1, 2, 3]),
        ("-number", [3, 2, 1]),
        ("sequence", [1, 2, 3]),
        ("-created_at", [3, 2, 1]),
        ("metric:f1", [2, 1, 3]),
        ("-metric:f1", [1, 2, 3]),
        ("last_updated", [2, 3, 1]),
    ],
)
def test_versions_are_listed_in_any_order_page_by_page(server: Live, order: str, numbers: list[int]) -> None:
    name = fresh()
    for number, metrics in ((1, {"f1": 0.9}), (2, {"f1": 0.5}), (3, {})):
        server.register(name, f"v{number}", metrics=metrics)
    server.send("PATCH", f"/api/v1/models/{name}/versions/v1", json={"owner": "touched"})
    seen: list[int] = []
    query: dict[str, Any] = {"order": order, "limit": 1}
    while True:
        page = server.send("GET", f"/api/v1/models/{name}/versions", params=query).json()
        assert page["count"] == 3
        seen += [item["number"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == numbers


def test_versions_of_all_models_are_filtered_together(server: Live) -> None:
    team = fresh("team")
    one, two = fresh(), fresh()
    server.register(one, tags={"team": team}, owner=team)
    server.register(two, tags={"team": team}, deployment_status="staging")
    server.send("POST", f"/models/{one}_v1/deploy")

    def found(**query: str) -> list[str]:
        items = server.send("GET", "/api/v1/versions", params={"tag": f"team:{team}", **query}).json()[
            "items"
        ]
        return [item["name"] for item in items]

    assert found() == [one, two]
    assert found(stage="staging") == [two]
    assert found(model=one) == found(owner=team) == found(environment="production") == [one]
    assert found(text=two) == [two]
    assert found(kind="adapter") == []


@pytest.mark.parametrize(
    "query", ["order=colour", "after=%24%24", "after=bm8", "limit=0", "kind=toy", "stage=x", "tag=x"]
)
def test_a_bad_list_is_refused(server: Live, query: str) -> None:
    answer = server.http.get(f"/api/v1/versions?{query}")
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["field"] == query.partition("=")[0]


def test_an_alias_points_at_a_version_and_moves(server: Live) -> None:
    name = fresh()
    server.register(name, "v1")
    server.register(name, "v2")
    path = f"/api/v1/models/{name}/aliases"
    server.send("PUT", f"{path}/champion", json={"version": "v1"})
    moved = server.send("PUT", f"{path}/champion", json={"version": 2, "reason": "Better"})
    assert moved.json()["aliases"] == {"champion": 2}
    listed = server.http.get(path).json()
    assert listed["items"] == [{"alias": "champion", "number": 2, "model_id": f"{name}_v2"}]
    assert server.http.delete(f"{path}/champion").status_code == 204
    assert server.http.delete(f"{path}/champion").status_code == 404
    assert server.http.put(f"{path}/a@b", json={"version": 1}).status_code == 400
    assert server.http.put(f"{path}/x", json={"version": "v9"}).status_code == 404


@pytest.mark.parametrize("ref", ["{name}_v1", "{name}/v1", "{name}/1", "{name}@best", "{name}:production"])
def test_a_reference_means_a_version(server: Live, ref: str) -> None:
    name = fresh()
    model_id = server.register(name)
    server.send("PUT", f"/api/v1/models/{name}/aliases/best", json={"version": "v1"})
    server.send("POST", f"/models/{model_id}/deploy")
    answer = server.send("GET", "/api/v1/resolve", params={"ref": ref.format(name=name)})
    assert answer.json()["model_id"] == model_id
    assert answer.headers["ETag"]


@pytest.mark.parametrize("ref", ["nobody", "{name}/9", "{name}@none", "{name}:production", "/", ""])
def test_a_reference_to_nothing_is_not_found(server: Live, ref: str) -> None:
    name = fresh()
    server.register(name)
    assert server.http.get("/api/v1/resolve", params={"ref": ref.format(name=name)}).status_code == 404


def test_what_is_deployed_cannot_be_deleted(server: Live) -> None:
    name = fresh()
    model_id = server.register(name)
    server.send("POST", f"/models/{model_id}/deploy")
    for path in (f"/api/v1/models/{name}", f"/api/v1/models/{name}/versions/v1"):
        answer = server.http.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "immutable")
        assert "production" in answer.json()["detail"]


def test_an_environment_of_ones_own_lives_from_creation_to_deletion(server: Live) -> None:
    name = fresh("canary")
    path = f"/api/v1/environments/{name}"
    made = server.http.post("/api/v1/environments", json={"name": name, "rank": 25, "target": "external"})
    assert made.status_code == 201
    assert made.json()["target"] == "external"
    assert server.http.get(path).json() == made.json()
    assert name in [item["name"] for item in server.http.get("/api/v1/environments").json()["items"]]
    updated = server.send("PATCH", path, json={"stage": "staging", "description": "Few users"})
    assert (updated.json()["rank"], updated.json()["stage"]) == (25, "staging")
    assert server.send("PATCH", path, json={"stage": None}).json()["stage"] is None
    stale = server.http.patch(path, json={"rank": 1}, headers={"If-Match": made.headers["ETag"]})
    assert stale.status_code == 412
    assert server.http.delete(path).status_code == 204
    assert server.http.get(path).status_code == 404


@pytest.mark.parametrize("body", [{"name": "UPPER"}, {"name": "con"}, {"name": "ok", "target": "moon"}, {}])
def test_an_environment_that_cannot_be_is_refused(server: Live, body: dict[str, str]) -> None:
    assert server.http.post("/api/v1/environments", json=body).status_code == 400


def test_a_note_is_a_change_of_no_record(server: Live) -> None:
    model = fresh()
    model_id = server.register(model)
    record = server.http.get(f"/models/{model_id}").content
    notes = f"/api/v1/models/{model}/versions/v1/notes"
    preview = server.send("POST", notes, params={"dry_run": True}, json={"message": "Looks good"}).json()
    assert (preview["subject"], preview["changes"]) == (f"Update model {model_id}: Looks good", [])
    body, key = {"message": "Looks good\n\nto me", "reason": "Review"}, {"Idempotency-Key": fresh("note")}
    first = server.send("POST", notes, json=body, headers=key)
    assert (first.status_code, first.json()["message"]) == (201, f"Update model {model_id}: Looks good")
    assert (first.json()["change"], first.json()["reason"]) == ("note", "Review\n\nto me")
    assert server.send("POST", notes, json=body, headers=key).content == first.content
    assert server.http.get(f"/models/{model_id}").content == record
    assert len(server.http.get(f"/models/{model_id}/history").json()["history"]) == 2


@pytest.mark.parametrize("body", [{}, {"message": ""}, {"message": " "}, {"message": 1}, {"text": "x"}])
def test_a_note_without_words_is_refused(server: Live, body: dict[str, object]) -> None:
    model = fresh()
    server.register(model)
    answer = server.http.post(f"/api/v1/models/{model}/versions/v1/notes", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def pages(server: Live, path: str, **query: Any) -> list[list[Any]]:
    """All pages of a list, two items on each; every one of them says how many there are in all."""
    found: list[list[Any]] = []
    asked: dict[str, Any] = {"limit": 2, **query}
    while True:
        page = server.send("GET", path, params=asked).json()
        found.append(page["items"])
        if page["next"] is None:
            assert page["count"] == sum(map(len, found))
            return found
        asked["after"] = page["next"]


def test_aliases_and_files_come_page_by_page(server: Live) -> None:
    name = fresh()
    files = {f"part-{letter}.bin": letter.encode() for letter in "cbead"}
    server.upload(name, "v1", files)
    for alias in ("c", "a", "b"):
        server.send("PUT", f"/api/v1/models/{name}/aliases/{alias}", json={"version": "v1"})
    aliases = pages(server, f"/api/v1/models/{name}/aliases")
    assert [[each["alias"] for each in page] for page in aliases] == [["a", "b"], ["c"]]
    listed = pages(server, f"/api/v1/models/{name}/versions/v1/files")
    assert [each["path"] for page in listed for each in page] == sorted(files)
    assert [len(page) for page in listed] == [2, 2, 1]


def test_environments_come_page_by_page_the_highest_first(server: Live) -> None:
    names = [fresh("paged") for _ in range(3)]
    for name in names:
        server.send("POST", "/api/v1/environments", json={"name": name, "rank": -7})
    found = [each for page in pages(server, "/api/v1/environments") for each in page]
    assert [each["rank"] for each in found] == sorted((each["rank"] for each in found), reverse=True)
    assert [each["name"] for each in found if each["rank"] == -7] == names
    assert len({each["name"] for each in found}) == len(found)


@pytest.mark.parametrize("path", ["environments", "deployments", "models/{name}/aliases"])
@pytest.mark.parametrize("after", ["x", "bm9uZQ", "WzEsMiwzXQ"])
def test_what_is_no_cursor_of_the_list_is_refused(server: Live, path: str, after: str) -> None:
    name = fresh()
    server.register(name)
    answer = server.http.get(f"/api/v1/{path.format(name=name)}", params={"after": after})
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (400, "after")


# ------------------------------------------------------------ renaming


def test_a_renamed_model_keeps_all_but_its_name(server: Live) -> None:
    name, new = fresh(), fresh("renamed")
    server.send("POST", "/api/v1/models", json={"name": name, "tags": {"a": "b"}, "card": "# Card"})
    server.upload(name, "v1", {"model.bin": b"weights"})
    before = server.http.get(f"/api/v1/models/{name}/versions/v1").json()
    preview = server.send("POST", f"/api/v1/models/{name}/rename?dry_run=true", json={"name": new}).json()
    assert preview["subject"] == f"Rename model {name} to {new}"
    renamed = server.send("POST", f"/api/v1/models/{name}/rename", json={"name": new, "reason": "Clearer"})
    assert (renamed.json()["name"], renamed.json()["tags"]) == (new, {"a": "b"})
    assert renamed.json()["card"] == "# Card"
    after = server.http.get(f"/api/v1/models/{new}/versions/v1").json()
    assert after["model_id"] == f"{new}_v1"
    assert {key: after[key] for key in ("files", "created_at")} == {
        key: before[key] for key in ("files", "created_at")
    }
    assert after["last_updated"] > before["last_updated"]
    assert server.http.get(f"/api/v1/models/{new}/versions/v1/files/model.bin").content == b"weights"
    assert server.http.get(f"/models/{name}_v1").status_code == 404
    history = server.http.get(f"/api/v1/models/{new}/versions/v1/history").json()["items"]
    assert [change["change"] for change in history] == ["rename", "finalize", "attach", "register"]
    then = server.http.get(f"/api/v1/models/{name}/versions/1", params={"at": history[1]["commit"]})
    assert then.json() == before
    assert server.http.post(f"/api/v1/models/{name}/rename", json={"name": new}).status_code == 404


def test_a_model_is_not_renamed_onto_another_nor_while_it_is_deployed(server: Live) -> None:
    name, other = fresh(), fresh()
    model_id = server.register(name)
    server.register(other)
    taken = server.http.post(f"/api/v1/models/{name}/rename", json={"name": other})
    assert (taken.status_code, taken.json()["code"], taken.json()["name"]) == (409, "taken", other)
    server.send("POST", f"/models/{model_id}/deploy", json={})
    deployed = server.http.post(f"/api/v1/models/{name}/rename", json={"name": fresh()})
    assert (deployed.status_code, deployed.json()["code"]) == (409, "immutable")


def test_one_version_may_be_left_alone_in_a_stage(server: Live) -> None:
    name = fresh()
    for version in ("v1", "v2"):
        server.register(name, version, deployment_status="production")
    body = {"stage": "production", "archive_others": True}
    server.send("PUT", f"/api/v1/models/{name}/versions/v2/stage", json=body)
    stages = [server.http.get(f"/models/{name}_{v}").json()["deployment_status"] for v in ("v1", "v2")]
    assert stages == ["archived", "production"]
    body["stage"] = "archived"
    refused = server.http.put(f"/api/v1/models/{name}/versions/v2/stage", json=body)
    assert (refused.status_code, refused.json()["problems"][0]["field"]) == (400, "archive_others")
