"""Bans, retracted data, purges and uses over HTTP: what is refused, what is flagged, what is traced."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from tests.live import Live, fresh
from tests.serving import iris_onnx, wait_for

BANS = "/api/v1/bans"
RETRACTIONS = "/api/v1/retractions"
WEIGHTS = b"weights of "


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def at(name: str, version: str = "v1") -> str:
    return f"/api/v1/models/{name}/versions/{version}"


def a_model(server: Live, content: bytes | None = None) -> str:
    """A model of which a version has a file of its own."""
    name = fresh()
    server.upload(name, "v1", {"weights.bin": content or WEIGHTS + name.encode()})
    return name


def built_on(server: Live, ref: str, **base: Any) -> str:
    name = fresh("built")
    server.send(
        "POST", f"/api/v1/models/{name}/versions", json={"version": "v1", "bases": [{"ref": ref} | base]}
    )
    return name


def ban(server: Live, of: str, **said: Any) -> dict[str, Any]:
    found: dict[str, Any] = server.send("POST", BANS, json={"of": of, "reason": "leaked"} | said).json()
    return found


def record(server: Live, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.send("GET", at(name)).json()
    return found


def followed(server: Live, begun: dict[str, Any]) -> dict[str, Any]:
    """The operation, once it has ended."""
    where = f"/api/v1/operations/{begun['id']}"
    return wait_for(lambda: server.send("GET", where).json(), lambda found: bool(found["ended"]))


def flags(server: Live, name: str) -> list[tuple[str, str, list[str]]]:
    return [(each["flag"], each["of"], each["through"]) for each in record(server, name).get("flags", ())]


def uses(server: Live, of: str) -> list[tuple[str, str, int, str | None]]:
    items = server.send("GET", "/api/v1/uses", params={"of": of}).json()["items"]
    return [(each["name"], each["relation"], each["remove"], each["through"]) for each in items]


# ------------------------------------------------------------ downloads


@pytest.mark.parametrize("by_file", [False, True])
def test_what_is_banned_is_downloaded_through_no_door(server: Live, by_file: bool) -> None:
    name = a_model(server)
    content = WEIGHTS + name.encode()
    proxy = f"/api/2.0/mlflow-artifacts/artifacts/muster-models/{name}/1/weights.bin"
    doors = [f"{at(name)}/files/weights.bin", proxy]
    for door in doors:
        assert server.send("GET", door).content == content
    of = f"sha256:{sha(content)}" if by_file else f"{name}/v1"
    ban(server, of)
    for door in doors:
        for method in ("GET", "HEAD"):
            assert server.http.request(method, door).status_code == 403
        tagged = server.http.get(door, headers={"If-None-Match": f'"sha256:{sha(content)}"'})
        assert tagged.status_code == 403
    refused = server.http.get(doors[0]).json()
    assert (refused["code"], refused["objections"][0]["rule"]) == ("denied", "ban")
    assert refused["detail"].startswith(f"{name}/v1 is banned")
    assert "leaked (an admin can lift the ban" in refused["detail"]
    assert server.http.get(doors[1]).json()["error_code"] == "PERMISSION_DENIED"
    server.send("DELETE", BANS, params={"of": of, "reason": "it was not"})
    for door in doors:
        assert server.send("GET", door).content == content


def test_a_file_is_banned_in_what_was_uploaded_too_and_a_version_only_where_it_is(server: Live) -> None:
    folder, content = fresh("folder"), b"shared by two versions"
    names = [a_model(server, content) for _ in range(2)]
    upload = f"/api/2.0/mlflow-artifacts/artifacts/{folder}/weights.bin"
    server.send("PUT", upload, content=content)
    ban(server, f"{names[0]}/v1")
    assert server.http.get(f"{at(names[1])}/files/weights.bin").status_code == 200
    found = ban(server, f"sha256:{sha(content)}")
    assert {each["name"] for each in found["versions"]} == set(names)
    assert server.http.get(f"{at(names[1])}/files/weights.bin").status_code == 403
    assert server.http.get(upload).status_code == 403


def test_a_file_that_is_banned_does_not_come_in_again(server: Live) -> None:
    content = b"never again"
    ban(server, f"sha256:{sha(content)}")
    name = fresh()
    server.send("POST", f"/api/v1/models/{name}/versions", json={"version": "v1", "pending": True})
    refused = server.http.put(f"{at(name)}/files/weights.bin", content=content)
    assert refused.status_code == 403
    assert "the file sha256:" in refused.json()["detail"]
    assert record(server, name)["files"] == []


# ------------------------------------------------------------ what a ban comes to


def test_a_ban_says_where_it_runs_and_takes_it_out_of_both_places(server: Live) -> None:
    name = fresh()
    server.upload(name, "v1", {"model.onnx": iris_onnx(fit=0.3)})
    for environment in ("staging", "production"):
        server.send("PUT", f"/api/v1/deployments/{environment}/{name}?wait=true", json={"version": "v1"})
    ask = f"/serve/production/{name}/v2/health/ready"
    found = ban(server, f"{name}:production")
    assert {each["environment"] for each in found["runs_in"]} == {"staging", "production"}
    assert server.http.get(ask).status_code == 200
    refused = server.http.put(f"/api/v1/deployments/development/{name}", json={"version": "v1"})
    assert (refused.status_code, refused.json()["code"]) == (403, "denied")
    listed = next(each for each in server.send("GET", BANS).json()["items"] if each["of"] == f"{name}/v1")
    assert {each["environment"] for each in listed["runs_in"]} == {"staging", "production"}
    out = ban(server, f"{name}/v1", undeploy=True)
    assert out["not_undeployed"] == []
    assert [followed(server, begun)["state"] for begun in out["operations"]] == ["done", "done"]
    assert server.http.get(ask).status_code == 404
    assert record(server, name)["deployed_in"] == []
    history = server.send("GET", f"{at(name)}/history").json()["items"]
    kinds = [each["change"] for each in history if each["change"] != "observe"]
    assert kinds[:3] == ["undeploy", "undeploy", "ban"]


def test_a_dry_run_says_what_would_go_on_running_and_bans_nothing(server: Live) -> None:
    name = fresh()
    server.register(name)
    server.send("PUT", f"/api/v1/deployments/production/{name}?wait=true", json={"version": "v1"})
    body = {"of": f"{name}/v1", "reason": "leaked"}
    foreseen = server.send("POST", BANS, params={"dry_run": True}, json=body).json()
    assert foreseen["effects"] == [f"{name}_v1 runs in production and goes on running there"]
    foreseen = server.send("POST", BANS, params={"dry_run": True}, json=body | {"undeploy": True}).json()
    assert foreseen["effects"] == [f"{name}_v1 is taken out of service in production"]
    assert "flags" not in record(server, name)


def test_a_repeated_request_is_answered_alike(server: Live) -> None:
    name = a_model(server)
    body = {"of": f"{name}/v1", "reason": "leaked"}
    first, again = (
        server.send("POST", BANS, json=body, headers={"Idempotency-Key": f"ban-{name}"}) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert server.send("POST", BANS, json=body).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"of": "sha256:12", "reason": "x"}, "of"),
        ({"of": "x", "reason": ""}, "reason"),
        ({"of": "x", "reason": "  "}, "reason"),
        ({"of": "x"}, "reason"),
        ({"reason": "x"}, "of"),
        ({"of": "x", "reason": "x", "undeploy": 1}, "undeploy"),
    ],
)
def test_what_is_wrong_with_a_ban_is_named(server: Live, body: dict[str, Any], field: str) -> None:
    refused = server.http.post(BANS, json=body)
    assert refused.status_code == 400
    assert [each["field"] for each in refused.json()["problems"]] == [field]


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("POST", BANS, {}),
        ("DELETE", BANS, {"of": "nobody/v1", "reason": "x"}),
        ("DELETE", BANS, {"of": "sha256:" + "12" * 32, "reason": "x"}),
        ("DELETE", RETRACTIONS, {"of": "nothing", "reason": "x"}),
    ],
)
def test_what_is_not_there_is_not_found(server: Live, method: str, path: str, params: dict[str, str]) -> None:
    body = {"of": "nobody/v1", "reason": "x"} if method == "POST" else None
    assert server.http.request(method, path, params=params, json=body).status_code == 404


# ------------------------------------------------------------ flags


def test_what_is_built_on_it_is_flagged_at_every_remove_until_it_is_lifted(server: Live) -> None:
    name = a_model(server)
    child = built_on(server, f"{name}/v1")
    grandchild = built_on(server, f"{child}_v1", relation="finetuned")
    for each in (name, child, grandchild):
        assert flags(server, each) == []
    before = server.send("GET", at(grandchild)).headers["ETag"]
    assert ban(server, f"{name}/v1")["built_on_it"] == 2
    assert flags(server, name) == [("banned", f"{name}/v1", [])]
    assert flags(server, child) == [("built-on-banned", f"{name}/v1", [])]
    assert flags(server, grandchild) == [("built-on-banned", f"{name}/v1", [f"{child}/v1"])]
    # A cached answer of before the ban is not taken for one of now, and may still be written to.
    flagged = server.http.get(at(grandchild), headers={"If-None-Match": before})
    assert flagged.status_code == 200
    tag = flagged.headers["ETag"]
    assert server.http.get(at(grandchild), headers={"If-None-Match": tag}).status_code == 304
    changed = server.http.patch(at(grandchild), json={"description": "look"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    listed = server.send("GET", f"/api/v1/models/{child}/versions").json()["items"]
    assert [each["flags"][0]["flag"] for each in listed] == ["built-on-banned"]
    assert server.send("GET", f"/models/{child}_v1").json()["flags"][0]["reason"] == "leaked"
    server.send("DELETE", BANS, params={"of": f"{name}/v1", "reason": "it was not"})
    assert flags(server, child) == []


def test_a_base_is_what_its_alias_meant_when_it_was_registered(server: Live) -> None:
    name = a_model(server)
    alias = f"/api/v1/models/{name}/aliases/champion"
    server.send("PUT", alias, json={"version": "v1"})
    child = built_on(server, f"{name}@champion")
    server.register(name, "v2")
    server.send("PUT", alias, json={"version": "v2"})
    assert record(server, child)["bases"] == [{"ref": f"{name}@champion", "model": name, "number": 1}]
    ban(server, f"{name}/v2")
    assert flags(server, child) == []
    ban(server, f"{name}/v1")
    assert flags(server, child) == [("built-on-banned", f"{name}/v1", [])]
    assert server.http.put(alias, json={"version": "v1"}).status_code == 403


def test_a_base_by_a_files_digest_and_one_that_was_deleted_lead_on(server: Live) -> None:
    name = a_model(server)
    digest = sha(WEIGHTS + name.encode())
    child = fresh("built")
    bases = [{"uri": "hf://somebody/model", "digest": digest}]
    server.send("POST", f"/api/v1/models/{child}/versions", json={"version": "v1", "bases": bases})
    between = built_on(server, f"{child}/v1")
    last = built_on(server, f"{between}/v1")
    server.send("DELETE", at(between))
    ban(server, f"{name}/v1")
    assert flags(server, last) == [("built-on-banned", f"{name}/v1", [f"{between}/v1", f"{child}/v1"])]
    assert uses(server, f"sha256:{digest}") == [
        (name, "holds it", 0, None),
        (child, "built on it", 1, None),
        (between, "built on it", 2, f"{child}/v1"),
        (last, "built on it", 3, f"{between}/v1"),
    ]


def test_retracted_data_flags_what_was_trained_on_it_and_refuses_it_by_its_digest(server: Live) -> None:
    digest, name, data = sha(fresh().encode()), fresh(), fresh("data")
    server.register(name, training_data={"name": data, "sha256": digest})
    child = built_on(server, f"{name}/v1")
    found = server.send("POST", RETRACTIONS, json={"of": f"sha256:{digest}", "reason": "no consent"})
    assert (found.status_code, found.json()["count"], found.json()["built_on_it"]) == (201, 1, 1)
    assert flags(server, name) == [("retracted-data", f"sha256:{digest}", [])]
    assert flags(server, child) == [("retracted-data", f"sha256:{digest}", [f"{name}/v1"])]
    body = {"name": fresh(), "version": "v1", "description": "d", "training_data": {"sha256": digest}}
    refused = server.http.post("/models", json=body)
    assert refused.status_code == 403
    assert "is retracted by" in refused.json()["error"]
    server.send("DELETE", RETRACTIONS, params={"of": f"sha256:{digest}", "reason": "it was given"})
    assert flags(server, child) == []
    server.send("POST", "/models", json=body)
    server.send("POST", RETRACTIONS, json={"of": data, "reason": "no consent"})
    later = fresh()
    server.register(later, training_data=data)
    assert flags(server, later) == [("retracted-data", data, [])]
    listed = server.send("GET", RETRACTIONS).json()["items"]
    assert next(each["count"] for each in listed if each["of"] == data) == 2


# ------------------------------------------------------------ uses


def test_uses_say_where_each_ran_and_when_across_a_rename(server: Live) -> None:
    data, name, new = fresh("data"), fresh(), fresh("renamed")
    server.register(name, training_data=data)
    for method in ("PUT", "DELETE"):
        body = {"json": {"version": "v1"}} if method == "PUT" else {}
        server.send(method, f"/api/v1/deployments/staging/{name}?wait=true", **body)
    server.send("POST", f"/api/v1/models/{name}/rename", json={"name": new})
    server.send("PUT", f"/api/v1/deployments/production/{new}?wait=true", json={"version": "v1"})
    (use,) = server.send("GET", "/api/v1/uses", params={"of": data}).json()["items"]
    assert (use["name"], use["deployed_in"]) == (new, ["production"])
    assert [(each["environment"], each["to"] is None) for each in use["ran"]] == [
        ("staging", False),
        ("production", True),
    ]
    assert use["ran"][0]["from"] < use["ran"][0]["to"] < use["ran"][1]["from"]


def test_uses_come_in_pages_and_nothing_is_no_error(server: Live) -> None:
    data = fresh("data")
    names = [fresh() for _ in range(5)]
    for name in names:
        server.register(name, training_data=data)
    found, params = [], {"of": data, "limit": 2}
    while True:
        page = server.send("GET", "/api/v1/uses", params=params).json()
        assert page["count"] == 5
        found += [each["name"] for each in page["items"]]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    assert found == names
    assert uses(server, "nothing of that name") == []


# ------------------------------------------------------------ purging


def purge(server: Live, name: str, **kwargs: Any) -> httpx.Response:
    return server.http.post(f"{at(name)}/purge", json={"reason": "asked to"}, **kwargs)


def test_a_purge_removes_what_nothing_else_uses_and_says_what_it_left(server: Live) -> None:
    name, folder = fresh(), fresh("folder")
    mine, shared, uploaded = (f"{what} {name}".encode() for what in ("mine", "shared", "uploaded"))
    server.upload(name, "v1", {"a": mine, "b": shared, "c": uploaded, "twice": mine})
    other = a_model(server, shared)
    upload = f"/api/2.0/mlflow-artifacts/artifacts/{folder}/c"
    server.send("PUT", upload, content=uploaded)
    done = purge(server, name)
    assert done.status_code == 200
    said = done.json()
    assert said["version"]["purged"] is True
    assert [each["path"] for each in said["removed"]] == ["a", "twice"]
    assert said["kept"] == [
        {"path": "b", "why": f"{other}/1 uses it"},
        {"path": "c", "why": f"it was uploaded as {folder}/c"},
    ]
    store = server.home.registry.artifacts
    assert store.size(sha(mine)) is None
    assert server.send("GET", f"{at(other)}/files/weights.bin").content == shared
    assert server.send("GET", upload).content == uploaded
    for path in ("a", "b"):
        gone = server.http.get(f"{at(name)}/files/{path}")
        assert (gone.status_code, gone.json()["code"]) == (410, "purged")
        assert "asked to" in gone.json()["detail"]
    held = server.http.get(f"/api/2.0/mlflow-artifacts/artifacts/muster-models/{name}/1/a")
    assert (held.status_code, held.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert [each["path"] for each in record(server, name)["files"]] == ["a", "b", "c", "twice"]
    again = purge(server, name)
    assert (again.status_code, "Muster-Commit" in again.headers) == (200, False)


def test_a_purge_is_refused_while_it_is_deployed_and_if_the_version_changed(server: Live) -> None:
    name = fresh()
    server.upload(name, "v1")
    server.send("PUT", f"/api/v1/deployments/staging/{name}?wait=true", json={"version": "v1"})
    refused = purge(server, name)
    assert (refused.status_code, refused.json()["code"]) == (409, "immutable")
    server.send("DELETE", f"/api/v1/deployments/staging/{name}?wait=true")
    assert purge(server, name, headers={"If-Match": f'"{"0" * 40}"'}).status_code == 412
    foreseen = purge(server, name, params={"dry_run": True}).json()
    assert foreseen["subject"] == f"Purge the files of {name} v1"
    assert "purged" not in record(server, name)
    assert purge(server, name).status_code == 200
    refused = server.http.put(f"/api/v1/deployments/staging/{name}", json={"version": "v1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_the_same_bytes_may_come_again_with_another_version(server: Live) -> None:
    name, content = fresh(), b"gone, and back"
    server.upload(name, "v1", {"a": content})
    purge(server, name)
    server.upload(name, "v2", {"a": content})
    assert server.send("GET", f"{at(name, 'v2')}/files/a").content == content
    assert server.http.get(f"{at(name)}/files/a").status_code == 410
