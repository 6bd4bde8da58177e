"""An unmodified MLflow client, its registry Muster and its tracking store a file of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.live import Live, fresh, live
from tests.mlflow_clients import a_model, connected

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("mlflow") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("tracking")
    with connected(server.url.replace("://", "://ada:secret-token@"), folder) as client:
        yield client


@pytest.fixture
def name() -> str:
    return fresh("model ")


@pytest.fixture
def versioned(client: Any, name: str) -> str:
    """A model with three versions."""
    client.create_registered_model(name)
    for number in (1, 2, 3):
        client.create_model_version(name, f"s3://bucket/{number}")
    return name


def code_of(raised: pytest.ExceptionInfo[Any]) -> str:
    return str(raised.value.error_code)


# ------------------------------------------------------------ the whole way


@pytest.fixture(scope="module")
def logged(client: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model that was logged in a run and registered with it."""
    import mlflow

    code = a_model(tmp_path_factory.mktemp("model") / "echo")
    with mlflow.start_run():
        return mlflow.pyfunc.log_model(
            name="echo", python_model=str(code), registered_model_name="Echo", pip_requirements=[]
        )


def test_a_logged_model_is_registered_found_by_its_alias_and_loaded(
    server: Live, client: Any, logged: Any
) -> None:
    import mlflow

    client.set_registered_model_alias("Echo", "champion", 1)
    for uri in ("models:/Echo@champion", "models:/Echo/1", "models:/Echo/latest"):
        assert mlflow.pyfunc.load_model(uri).predict([1, 2]) == [1, 2]
    record = server.http.get("/api/v1/models/Echo/versions/1").json()
    assert record["files_status"] == "files elsewhere, not verified"
    assert record["files"] == []
    assert record["source"]["uri"] == client.get_model_version("Echo", 1).source
    history = server.http.get("/api/v1/changes", params={"model": "Echo"}).json()["items"]
    assert {change["actor"] for change in history} == {"ada"}
    assert not any(change["verified"] for change in history)


def test_registering_again_makes_the_next_version(client: Any, logged: Any) -> None:
    import mlflow

    made = mlflow.register_model(logged.model_uri, "Echo", tags={"how": "by uri"})
    assert int(made.version) > 1
    assert made.tags == {"how": "by uri"}
    assert mlflow.pyfunc.load_model(f"models:/Echo/{made.version}").predict([3]) == [3]


def test_a_copy_is_loaded_from_where_the_original_is(client: Any, logged: Any, name: str) -> None:
    import mlflow

    client.set_model_version_tag("Echo", "1", "kept", "yes")
    copy = client.copy_model_version("models:/Echo/1", name)
    assert (copy.source, copy.tags["kept"]) == ("models:/Echo/1", "yes")
    again = client.copy_model_version(f"models:/{name}/1", name)
    assert client.get_model_version_download_uri(
        name, again.version
    ) == client.get_model_version_download_uri("Echo", 1)
    assert mlflow.pyfunc.load_model(f"models:/{name}/2").predict([4]) == [4]


# ------------------------------------------------------------ registered models


def test_a_model_is_made_described_renamed_and_deleted(client: Any, name: str) -> None:
    made = client.create_registered_model(name, {"team": "vision", "empty": ""}, "First")
    assert (made.name, made.tags, made.description) == (name, {"team": "vision", "empty": ""}, "First")
    assert made.creation_timestamp == made.last_updated_timestamp
    assert client.update_registered_model(name, "Second").description == "Second"
    client.rename_registered_model(name, f"{name} renamed")
    with pytest.raises(Exception, match="not found") as raised:
        client.get_registered_model(name)
    assert code_of(raised) == "RESOURCE_DOES_NOT_EXIST"
    renamed = client.get_registered_model(f"{name} renamed")
    assert (renamed.tags, renamed.creation_timestamp) == (made.tags, made.creation_timestamp)
    client.create_registered_model(name)  # the old name is free
    client.delete_registered_model(f"{name} renamed")
    with pytest.raises(Exception, match="not found"):
        client.delete_registered_model(f"{name} renamed")


def test_a_name_is_taken_once(client: Any, name: str) -> None:
    client.create_registered_model(name)
    with pytest.raises(Exception, match=r"Registered Model \(name=.+\) already exists\.") as raised:
        client.create_registered_model(name)
    assert code_of(raised) == "RESOURCE_ALREADY_EXISTS"
    client.create_registered_model(f"{name} too")
    with pytest.raises(Exception, match="already exists") as raised:
        client.rename_registered_model(f"{name} too", name)
    assert code_of(raised) == "RESOURCE_ALREADY_EXISTS"
    client.rename_registered_model(name, name)


def test_a_renamed_model_takes_its_versions_aliases_and_history_along(
    server: Live, client: Any, versioned: str
) -> None:
    client.set_registered_model_alias(versioned, "champion", 2)
    client.set_model_version_tag(versioned, "2", "a", "b")
    before = client.get_model_version(versioned, 2)
    client.rename_registered_model(versioned, f"{versioned} too")
    after = client.get_model_version_by_alias(f"{versioned} too", "champion")
    assert (after.version, after.tags, after.source) == ("2", {"a": "b"}, before.source)
    assert after.creation_timestamp == before.creation_timestamp
    assert after.last_updated_timestamp > before.last_updated_timestamp
    found = client.search_model_versions(f"name = '{versioned} too'")
    assert [each.version for each in found] == ["3", "2", "1"]
    history = server.http.get(f"/api/v1/models/{versioned} too/versions/2/history").json()["items"]
    assert [each["change"] for each in history] == ["rename", "update", "alias", "register"]
    assert client.create_model_version(f"{versioned} too", "s3://bucket/4").version == "4"
    client.create_registered_model(versioned)
    assert client.create_model_version(versioned, "s3://bucket/1").version == "1"


def test_tags_and_aliases_do_not_update_a_model(client: Any, versioned: str) -> None:
    updated = client.get_registered_model(versioned).last_updated_timestamp
    client.set_registered_model_tag(versioned, "team", "vision")
    client.delete_registered_model_tag(versioned, "team")
    client.delete_registered_model_tag(versioned, "never there")
    client.set_registered_model_alias(versioned, "champion", 1)
    client.delete_registered_model_alias(versioned, "champion")
    client.delete_registered_model_alias(versioned, "champion")
    assert client.get_registered_model(versioned).last_updated_timestamp == updated
    client.transition_model_version_stage(versioned, "1", "Staging")
    staged = client.get_registered_model(versioned).last_updated_timestamp
    assert staged > updated
    client.delete_model_version(versioned, "1")
    assert client.get_registered_model(versioned).last_updated_timestamp > staged


def test_any_value_of_a_tag_comes_back_as_it_was(client: Any, name: str) -> None:
    values = {
        "lines/of.a-key: x": "a\nb\r\n\tc",
        "ünïcode": "\U0001f600 \u202ebidi\u202c ",
        "long": "x" * 100_000,
        "spaces": "  ",
        "a": "",
    }
    client.create_registered_model(name, values)
    assert client.get_registered_model(name).tags == values
    client.create_model_version(name, "s3://bucket/1", tags=values)
    assert client.get_model_version(name, 1).tags == values


# ------------------------------------------------------------ versions


def test_versions_are_numbered_and_a_number_is_not_used_again(client: Any, versioned: str) -> None:
    assert client.get_model_version(versioned, 3).current_stage == "None"
    client.delete_model_version(versioned, "3")
    calls: list[Callable[[], Any]] = [
        lambda: client.get_model_version(versioned, "3"),
        lambda: client.update_model_version(versioned, "3", "gone"),
        lambda: client.set_model_version_tag(versioned, "3", "a", "b"),
        lambda: client.set_registered_model_alias(versioned, "a", 3),
        lambda: client.get_model_version_download_uri(versioned, "3"),
        lambda: client.delete_model_version(versioned, "3"),
    ]
    for call in calls:
        with pytest.raises(Exception, match=r"Model Version \(name=.+, version=3\) not found") as raised:
            call()
        assert code_of(raised) == "RESOURCE_DOES_NOT_EXIST"
    assert client.create_model_version(versioned, "s3://bucket/4").version == "4"


def test_what_a_client_says_of_a_version_is_kept(client: Any, name: str) -> None:
    client.create_registered_model(name)
    source = "s3://bucket/a%20b/ü?versionId=1"
    made = client.create_model_version(name, source, "run-1", {"a": "1"}, "https://runs/1", "Why")
    found = client.get_model_version(name, made.version)
    assert (found.source, found.run_id, found.run_link, found.description) == (
        source, "run-1", "https://runs/1", "Why"
    )  # fmt: skip
    assert client.get_model_version_download_uri(name, 1) == source
    assert client.update_model_version(name, 1, "Better").description == "Better"


def test_an_alias_moves_and_may_be_called_production(client: Any, versioned: str) -> None:
    client.set_registered_model_alias(versioned, "production", 1)
    client.set_registered_model_alias(versioned, "production", 2)
    assert client.get_model_version_by_alias(versioned, "production").version == "2"
    assert client.get_registered_model(versioned).aliases == {"production": "2"}
    assert client.get_model_version_by_alias(versioned, "LATEST").version == "3"
    client.delete_model_version(versioned, "2")
    with pytest.raises(Exception, match="Registered model alias production not found") as raised:
        client.get_model_version_by_alias(versioned, "production")
    assert code_of(raised) == "INVALID_PARAMETER_VALUE"
    for reserved in ("latest", "LaTest", "v1", "V23", "a.b", "ä b"):
        with pytest.raises(Exception, match="alias"):
            client.set_registered_model_alias(versioned, reserved, 1)
    for legal in ("1", "v1x", "latest2", "ünï-_x"):
        client.set_registered_model_alias(versioned, legal, 1)


def test_a_stage_is_one_label_with_two_spellings(server: Live, client: Any, versioned: str) -> None:
    client.transition_model_version_stage(versioned, "1", "production")
    client.transition_model_version_stage(versioned, "2", "Production")
    moved = client.transition_model_version_stage(
        versioned, "3", "PRODUCTION", archive_existing_versions=True
    )
    assert moved.current_stage == "Production"
    stages = [client.get_model_version(versioned, number).current_stage for number in (1, 2, 3)]
    assert stages == ["Archived", "Archived", "Production"]
    record = server.http.get(f"/api/v1/models/{versioned}/versions/3").json()
    assert (record["deployment_status"], record["deployed_in"]) == ("production", [])
    newest = client.get_latest_versions(versioned)
    assert {each.version: each.current_stage for each in newest} == {"2": "Archived", "3": "Production"}
    assert [each.version for each in client.get_latest_versions(versioned, ["archived"])] == ["2"]
    changes = server.http.get(f"/api/v1/models/{versioned}/versions/1/history").json()["items"]
    assert len({change["commit"] for change in changes}) == 3  # archived in the change that moved version 3
    with pytest.raises(Exception, match="archive_others") as raised:
        client.transition_model_version_stage(versioned, "1", "Archived", archive_existing_versions=True)
    assert code_of(raised) == "INVALID_PARAMETER_VALUE"


# ------------------------------------------------------------ prompts


def test_prompts_are_registered_loaded_searched_and_hidden(client: Any, server: Live) -> None:
    import mlflow

    name = fresh("prompt-")
    template = "Answer {{question}} \U0001f600\n" + "x" * 90_000
    first = mlflow.genai.register_prompt(name, template, commit_message="First", tags={"lang": "en"})
    assert first.version == 1
    assert mlflow.genai.register_prompt(name, [{"role": "user", "content": "{{a}}"}]).version == 2
    assert mlflow.genai.load_prompt(f"prompts:/{name}/1").template == template
    mlflow.genai.set_prompt_alias(name, "live", 1)
    assert mlflow.genai.load_prompt(f"prompts:/{name}@live").tags == {"lang": "en"}
    assert [each.name for each in mlflow.genai.search_prompts(f"name = '{name}'")] == [name]
    assert client.search_registered_models(f"name = '{name}'") == []
    assert client.search_model_versions(f"name = '{name}'") == []
    with pytest.raises(Exception, match=r"already exists|prompt"):
        client.create_registered_model(name)
    assert server.http.get(f"/api/v1/models/{name}/versions/1").json()["kind"] == "prompt"


# ------------------------------------------------------------ searches


def test_searches_follow_pages_to_the_end(client: Any) -> None:
    import mlflow

    stem = fresh("paged")
    for at in range(7):
        client.create_registered_model(f"{stem}-{at}", {"paged": stem, "even": str(at % 2 == 0)})
    found = mlflow.search_registered_models(filter_string=f"name LIKE '{stem}-%'", max_results=3)
    assert [each.name for each in found] == [f"{stem}-{at}" for at in range(3)]
    pages, token = [], None
    while True:
        page = client.search_registered_models(
            f"tags.paged = '{stem}' AND tags.even != 'False'", 2, ["name DESC"], token
        )
        pages.append([each.name for each in page])
        if (token := page.token) is None or not page.token:
            break
    assert pages == [[f"{stem}-6", f"{stem}-4"], [f"{stem}-2", f"{stem}-0"]]


def test_versions_are_found_by_run_and_tag(client: Any, name: str) -> None:
    client.create_registered_model(name)
    for number in (1, 2, 3):
        client.create_model_version(name, "s3://b/x", f"{name}-{number % 2}", {"n": str(number)})
    found = client.search_model_versions(f"run_id = '{name}-1'", order_by=["version_number ASC"])
    assert [each.version for each in found] == ["1", "3"]
    client.set_registered_model_alias(name, "a", 3)
    (one,) = client.search_model_versions(f"name='{name}' and tags.`n` ILIKE '3'")
    assert (one.version, one.aliases) == ("3", ["a"])


# ------------------------------------------------------------ at once


def test_versions_made_at_once_get_distinct_consecutive_numbers(client: Any, name: str) -> None:
    client.create_registered_model(name)
    start = threading.Barrier(16)

    def make(_: int) -> int:
        start.wait()
        return int(client.create_model_version(name, "s3://bucket/x", await_creation_for=None).version)

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(make, range(16))) == list(range(1, 17))


def test_a_new_tag_or_alias_set_by_many_at_once_is_no_error(client: Any, versioned: str) -> None:
    start = threading.Barrier(16)

    def set_both(at: int) -> None:
        start.wait()
        client.set_registered_model_tag(versioned, "new", str(at))
        client.set_registered_model_alias(versioned, "new", 1 + at % 3)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(set_both, range(16)))
    found = client.get_registered_model(versioned)
    assert found.tags["new"] in {str(at) for at in range(16)}
    assert found.aliases["new"] in {"1", "2", "3"}
