"""What goes over the wire to MLflow's clients, byte by byte: the details that no client shows."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.live import Live, fresh, live

API = "/api/2.0/mlflow"
PREFIXES = (API, "/ajax-api/2.0/mlflow")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("contract") / "home") as running:
        yield running


@pytest.fixture
def name() -> str:
    return fresh("model")


def send(server: Live, method: str, path: str, **body: Any) -> httpx.Response:
    """A call with its arguments where MLflow's client puts them."""
    if method == "GET":
        return server.http.get(f"{API}/{path}", params=body)
    return server.http.request(method, f"{API}/{path}", json=body)


def done(server: Live, method: str, path: str, **body: Any) -> Any:
    """The answer to a call that must go well."""
    answer = send(server, method, path, **body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
    return answer.json()


def refused(server: Live, method: str, path: str, **body: Any) -> tuple[int, str, str]:
    """Status, code and message of a call that must not."""
    return said(send(server, method, path, **body))


def said(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert set(body) == {"error_code", "message"}
    return answer.status_code, body["error_code"], body["message"]


@pytest.fixture
def versioned(server: Live, name: str) -> str:
    """A model with two versions."""
    done(server, "POST", "registered-models/create", name=name)
    for number in (1, 2):
        done(server, "POST", "model-versions/create", name=name, source=f"s3://bucket/{number}")
    return name


# ------------------------------------------------------------ transport


@pytest.mark.parametrize("prefix", PREFIXES)
def test_both_prefixes_lead_to_the_same(server: Live, name: str, prefix: str) -> None:
    made = server.http.post(f"{prefix}/registered-models/create", json={"name": name})
    assert made.status_code == 200
    for other in PREFIXES:
        found = server.http.get(f"{other}/registered-models/get", params={"name": name})
        assert found.json() == made.json()


def test_a_get_without_a_query_may_have_its_arguments_in_the_body(server: Live, versioned: str) -> None:
    found = server.http.request("GET", f"{API}/registered-models/get", json={"name": versioned})
    assert found.json()["registered_model"]["name"] == versioned


def test_a_delete_has_its_arguments_in_the_body(server: Live, versioned: str) -> None:
    assert done(server, "DELETE", "model-versions/delete", name=versioned, version="2") == {}
    assert done(server, "DELETE", "registered-models/delete", name=versioned) == {}
    assert refused(server, "DELETE", "registered-models/delete", name=versioned)[0] == 404


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_refused(server: Live, name: str, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    body = json.dumps({"name": name}).encode()
    answer = server.http.post(f"{API}/registered-models/create", content=body, headers=headers)
    assert said(answer)[:2] == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b"null", b'{"name": ""}', b'{"name": null}', b"[" * 9999]
)
def test_a_body_that_says_nothing_lacks_its_parameters(server: Live, body: bytes) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = server.http.post(f"{API}/registered-models/create", content=body, headers=headers)
    assert said(answer) == (
        400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'."
    )  # fmt: skip


def test_fields_may_be_in_camel_case_but_not_in_both_spellings(server: Live, versioned: str) -> None:
    made = done(
        server, "POST", "model-versions/create", name=versioned, source="s3://b/1", runId="r", nobody=1
    )
    assert made["model_version"]["run_id"] == "r"
    found = done(server, "GET", "registered-models/search", maxResults="1", filter=f"name='{versioned}'")
    assert len(found["registered_models"]) == 1
    both = {"run_id": "r", "runId": "r"}
    answer = refused(server, "POST", "model-versions/create", name=versioned, source="s3://b/1", **both)
    assert answer[:2] == (400, "INVALID_PARAMETER_VALUE")


def test_what_is_empty_is_absent_and_numbers_are_where_clients_expect_them(server: Live, name: str) -> None:
    model = done(server, "POST", "registered-models/create", name=name)["registered_model"]
    assert set(model) == {"name", "creation_timestamp", "last_updated_timestamp"}
    assert isinstance(model["creation_timestamp"], int)
    version = done(server, "POST", "model-versions/create", name=name, source="s3://b/1")["model_version"]
    assert version == {
        "name": name,
        "version": "1",
        "creation_timestamp": version["creation_timestamp"],
        "last_updated_timestamp": version["creation_timestamp"],
        "current_stage": "None",
        "description": "",
        "source": "s3://b/1",
        "run_id": "",
        "run_link": "",
        "status": "READY",
    }
    done(server, "POST", "registered-models/set-tag", name=name, key="empty")
    done(server, "POST", "registered-models/alias", name=name, alias="a", version=1)
    model = done(server, "GET", "registered-models/get", name=name)["registered_model"]
    assert model["tags"] == [{"key": "empty", "value": ""}]
    assert model["aliases"] == [{"alias": "a", "version": "1"}]
    assert [each["version"] for each in model["latest_versions"]] == ["1"]
    found = done(server, "GET", "registered-models/alias", name=name, alias="a")["model_version"]
    assert found["aliases"] == ["a"]
    assert done(server, "GET", "registered-models/search", filter="name = 'nobody'") == {}
    assert done(server, "GET", "model-versions/search", filter="name = 'nobody'") == {}


def test_an_absent_description_clears_it(server: Live, versioned: str) -> None:
    for path, more in (("registered-models", {}), ("model-versions", {"version": "1"})):
        done(server, "PATCH", f"{path}/update", name=versioned, description="d", **more)
        (cleared,) = done(server, "PATCH", f"{path}/update", name=versioned, **more).values()
        assert not cleared.get("description")


def test_a_last_tag_of_a_key_wins_and_a_bad_one_refuses_all(server: Live, name: str) -> None:
    twice = [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]
    bad = [{"key": "fine", "value": "1"}, {"key": "../up", "value": "2"}]
    assert refused(server, "POST", "registered-models/create", name=name, tags=bad)[0] == 400
    assert refused(server, "GET", "registered-models/get", name=name)[0] == 404
    model = done(server, "POST", "registered-models/create", name=name, tags=twice)["registered_model"]
    assert model["tags"] == [{"key": "a", "value": "2"}]


# ------------------------------------------------------------ credentials


def as_user(name: str, secret: str = "a-secret") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def test_the_actor_is_the_user_whose_credentials_come(server: Live, name: str) -> None:
    for headers in (
        as_user("ada") | {"x-muster-actor": "somebody"},
        {"x-muster-actor": "grace"},
        {"authorization": "Bearer a-secret"},
    ):
        made = server.http.post(
            f"{API}/registered-models/create", json={"name": fresh(name)}, headers=headers
        )
        assert made.status_code == 200, made.text
    changes = server.http.get("/api/v1/changes", params={"limit": 3}).json()["items"]
    assert [(c["actor"], c["verified"]) for c in changes] == [
        ("anonymous", False), ("grace", False), ("ada", False)
    ]  # fmt: skip


def test_a_user_that_is_no_actor_is_refused_and_no_secret_repeated(server: Live, name: str) -> None:
    answer = server.http.post(
        f"{API}/registered-models/create", json={"name": name}, headers=as_user("two words", "very-secret")
    )
    assert said(answer)[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert "two words" not in answer.text
    assert "very-secret" not in answer.text


# ------------------------------------------------------------ errors


def test_unknown_endpoints_and_methods_say_so_in_json(server: Live) -> None:
    for method, path in (
        ("GET", "nothing"),
        ("PUT", "registered-models/create"),
        ("GET", "experiments/list"),
    ):
        assert refused(server, method, path)[:2] == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", ".", "..", "x" * 257, "a\nb", " a", 5, ["a"], {}])
def test_a_bad_name_is_refused(server: Live, name: object) -> None:
    for path, body in (("create", {"name": name}), ("rename", {"name": "any", "new_name": name})):
        assert refused(server, "POST", f"registered-models/{path}", **body)[:2] == (
            400, "INVALID_PARAMETER_VALUE"
        )  # fmt: skip


@pytest.mark.parametrize("name", ["a b", "50% #+?&=\\", "'\"`", "模型", "Ώ", "-", "a@b", "x" * 256])
def test_any_other_name_is_kept(server: Live, name: str) -> None:
    done(server, "POST", "registered-models/create", name=name)
    assert done(server, "GET", "registered-models/get", name=name)["registered_model"]["name"] == name
    done(server, "POST", "model-versions/create", name=name, source="s3://b/1")
    assert done(server, "GET", "model-versions/get", name=name, version="1")["model_version"]["name"] == name


@pytest.mark.parametrize("version", ["0", "-1", "7", "99999999999999999999999"])
def test_a_number_that_no_version_has_is_not_found(server: Live, versioned: str, version: str) -> None:
    answer = refused(server, "GET", "model-versions/get", name=versioned, version=version)
    assert answer[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("version", ["one", "1.5", "", "1 ", True, [1]])
def test_what_is_no_number_is_refused(server: Live, versioned: str, version: object) -> None:
    answer = refused(server, "DELETE", "model-versions/delete", name=versioned, version=version)
    assert answer[:2] == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("key", ["", "a" * 251, "/a", "a/", "../a", "a/../b", "a\nb", "ä?", ".", 1])
def test_a_bad_key_of_a_tag_is_refused(server: Live, versioned: str, key: object) -> None:
    for part, more in (("registered-models", {}), ("model-versions", {"version": "1"})):
        for method, path in (("POST", "set-tag"), ("DELETE", "delete-tag")):
            answer = refused(server, method, f"{part}/{path}", name=versioned, key=key, **more)
            assert answer[:2] == (400, "INVALID_PARAMETER_VALUE")


def test_limits_are_said(server: Live, versioned: str) -> None:
    long = {"key": "k", "value": "x" * 100_001}
    answer = refused(server, "POST", "registered-models/set-tag", name=versioned, **long)
    assert answer[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert "100,000" in answer[2]
    huge = server.http.post(
        f"{API}/registered-models/create", json={"name": fresh(), "description": "x" * (5 << 20)}
    )
    assert said(huge)[:2] == (400, "INVALID_PARAMETER_VALUE")


def test_what_is_not_there_is_named(server: Live, versioned: str) -> None:
    for method, path, body in (
        ("GET", "registered-models/get", {}),
        ("PATCH", "registered-models/update", {}),
        ("POST", "registered-models/rename", {"new_name": "x"}),
        ("POST", "registered-models/set-tag", {"key": "k"}),
        ("DELETE", "registered-models/delete-tag", {"key": "k"}),
        ("POST", "registered-models/alias", {"alias": "a", "version": "1"}),
        ("DELETE", "registered-models/alias", {"alias": "a"}),
        ("GET", "registered-models/alias", {"alias": "a"}),
        ("GET", "registered-models/alias", {"alias": "latest"}),
        ("POST", "registered-models/get-latest-versions", {}),
        ("POST", "model-versions/create", {"source": "s3://b/1"}),
    ):
        assert refused(server, method, path, name="nobody", **body) == (
            404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nobody not found"
        ), path  # fmt: skip


def test_a_model_in_use_is_not_deleted_and_nobody_is_told_to_try_again(server: Live, name: str) -> None:
    model_id = server.register(name)
    server.send("POST", f"/models/{model_id}/deploy", json={"environment": "staging"})
    for path, body in (("registered-models/delete", {}), ("model-versions/delete", {"version": "1"})):
        answer = refused(server, "DELETE", path, name=name, **body)
        assert answer[:2] == (409, "RESOURCE_CONFLICT")
        assert "undeploy" in answer[2]


# ------------------------------------------------------------ sources


@pytest.mark.parametrize(
    "source",
    [
        "s3://bucket/a/../b",
        "s3://bucket/%2e%2e/b",
        "s3://bucket/%252e%252e/b",
        "mlflow-artifacts:/1/../../etc",
        "http://host/a?path=../b",
        "dbfs:/a/..",
        "file:///tmp/../etc",
        "s3://bucket/a%00b",
        "gs://bucket/a/./b",
        "s3://b/%" + "25" * 40 + "2e",
        "/an/absolute/path",
        "file:///an/absolute/path",
        "relative/path",
        "dummy-source",
    ],
)
def test_a_source_that_leads_astray_is_refused(server: Live, versioned: str, source: str) -> None:
    answer = refused(server, "POST", "model-versions/create", name=versioned, source=source)
    assert answer[:2] == (400, "INVALID_PARAMETER_VALUE")
    made = done(server, "POST", "model-versions/create", name=versioned, source="s3://b/..x/y..z")
    assert made["model_version"]["version"] == "3"  # nothing was left behind


def test_a_local_path_goes_with_the_run_that_made_it(server: Live, versioned: str) -> None:
    for more in ({"run_id": "r"}, {"model_id": "m-" + "0" * 32}):
        for source in ("/abs/path", "file:///abs/path", "C:\\models\\m"):
            made = done(server, "POST", "model-versions/create", name=versioned, source=source, **more)
            assert made["model_version"]["source"] == source


def test_a_source_that_is_a_version_here_is_pinned_to_its_number(server: Live, versioned: str) -> None:
    done(server, "POST", "registered-models/alias", name=versioned, alias="a", version="1")
    done(server, "POST", "model-versions/transition-stage", name=versioned, version="1", stage="staging")
    for what, number in (("@a", 1), ("/latest", 2), ("/Staging", 1), ("/1", 1)):
        source = f"models:/{versioned}{what}"
        made = done(server, "POST", "model-versions/create", name=fresh_model(server), source=source)
        version = made["model_version"]
        assert version["source"] == f"models:/{versioned}/{number}"
        place = {"name": version["name"], "version": "1"}
        found = done(server, "GET", "model-versions/get-download-uri", **place)
        assert found == {"artifact_uri": f"s3://bucket/{number}"}
    for what in ("/9", "@nobody", "/Archived"):
        answer = refused(
            server, "POST", "model-versions/create", name=versioned, source=f"models:/{versioned}{what}"
        )
        assert answer[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    answer = refused(
        server, "POST", "model-versions/create", name=versioned, source=f"models:/{versioned}/1", run_id="x"
    )
    assert answer[:2] == (400, "INVALID_PARAMETER_VALUE")


def fresh_model(server: Live) -> str:
    name = fresh("copy")
    done(server, "POST", "registered-models/create", name=name)
    return name


def test_a_version_whose_files_are_here_is_read_from_here(server: Live, name: str) -> None:
    server.upload(name, "v1", {"MLmodel": b"flavors: {}\n"})
    found = done(server, "GET", "model-versions/get-download-uri", name=name, version="1")["artifact_uri"]
    assert found == f"{server.url}/api/2.0/mlflow-artifacts/artifacts/muster-models/{name}/1"
    copy = fresh_model(server)
    done(server, "POST", "model-versions/create", name=copy, source=f"models:/{name}/1")
    record = server.http.get(f"/api/v1/models/{copy}/versions/1").json()
    assert [file["path"] for file in record["files"]] == ["MLmodel"]
    assert "files_status" not in record
    assert record["bases"] == [{"ref": f"{name}/1", "model": name, "number": 1}]


def test_a_version_without_files_anywhere_has_nothing_to_read(server: Live, name: str) -> None:
    server.register(name)
    answer = refused(server, "GET", "model-versions/get-download-uri", name=name, version="1")
    assert answer[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


# ------------------------------------------------------------ searches, over the wire


def test_a_bad_search_is_refused_and_a_token_past_the_end_finds_nothing(server: Live, name: str) -> None:
    for part in ("registered-models", "model-versions"):
        for body in (
            {"max_results": 0},
            {"max_results": -1},
            {"max_results": 200_001},
            {"max_results": "many"},
            {"page_token": "!"},
            {"page_token": base64.b64encode(b'{"offset": -1}').decode()},
            {"page_token": base64.b64encode(b"[]").decode()},
            {"order_by": "nothing"},
            {"order_by": "name ASC DESC"},
            {"order_by": ""},
            {"order_by": ["name", "name DESC"]},
            {"filter": "name"},
            {"filter": "name = 'a'; DROP TABLE models"},
        ):
            answer = send(server, "GET", f"{part}/search", **body)
            assert said(answer)[:2] == (400, "INVALID_PARAMETER_VALUE"), body
        token = base64.b64encode(b'{"offset": 1000000}').decode()
        assert done(server, "GET", f"{part}/search", page_token=token) == {}


def test_pages_of_equal_keys_neither_repeat_nor_lose(server: Live, name: str) -> None:
    for at in range(5):
        done(server, "POST", "registered-models/create", name=f"{name}-{at}")
        done(server, "POST", "model-versions/create", name=f"{name}-{at}", source="s3://b/1")
    asked: dict[str, Any] = {
        "filter": f"name LIKE '{name}-%'",
        "order_by": "version_number",
        "max_results": 2,
    }
    found: list[str] = []
    while True:
        page = done(server, "GET", "model-versions/search", **asked)
        found += [each["name"] for each in page["model_versions"]]
        if len(found) == 2:  # one more in the middle of it all is no reason to repeat any
            done(server, "POST", "registered-models/create", name=f"{name}-!")
            done(server, "POST", "model-versions/create", name=f"{name}-!", source="s3://b/1")
        if "next_page_token" not in page:
            break
        asked["page_token"] = page["next_page_token"]
    assert found == [f"{name}-{at}" for at in range(5)]


# ------------------------------------------------------------ the server itself


def test_the_server_says_that_it_is_there(server: Live) -> None:
    assert server.http.get("/health").text == "OK"
    assert server.http.get("/version").text
    for prefix in ("/api", "/ajax-api"):
        assert isinstance(server.http.get(f"{prefix}/3.0/mlflow/server-info").json(), dict)
    assert server.http.get("/healthz").json() == {"status": "ok"}


def test_a_connection_serves_many_requests(server: Live, versioned: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(3):
        connection.request("GET", f"{API}/registered-models/get?name={versioned}")
        answer = connection.getresponse()
        assert (answer.status, answer.will_close) == (200, False)
        assert versioned.encode() in answer.read()
    connection.close()
