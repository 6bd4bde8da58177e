"""Paths and sources below the artifact proxy: whatever is sent, they stay below its root."""

from __future__ import annotations

import posixpath
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.dialects.mlflow_places import Place, decoded, held_path, of_source, parsed
from muster.domain.errors import Denied, Invalid, NotFound

HOST = "127.0.0.1:5000"
PIECES = st.sampled_from(
    ["..", ".", "/", "\\", "%", "%2e", "%2E%2e", "%2f", "%5c", "%25", "%252e", "%00", "a", "m-1", " ", "é"]
)
PATHS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40)


@given(PATHS)
def test_a_path_stays_below_the_root_however_often_it_is_decoded(path: str) -> None:
    try:
        found = parsed(path)
    except Invalid:
        return
    while True:
        below = posixpath.normpath(posixpath.join("/uploads", found))
        assert below == "/uploads" or below.startswith("/uploads/")
        assert ".." not in found.replace("\\", "/").split("/")
        if (once := unquote(found)) == found:
            break
        found = once


@given(PATHS)
def test_a_place_that_can_be_written_to_is_in_the_inbox(path: str) -> None:
    try:
        place = Place.of(parsed(path))
        written = place.writable()
    except (Invalid, NotFound, Denied):
        return
    assert written == parsed(path) != ""
    assert written.partition("/")[0] != "muster-models"


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=256)


@given(
    NAMES | st.sampled_from([".git", "con", "a.", "..a", "%2e%2e", "~x", "x" * 256]), st.integers(1, 10**9)
)
def test_the_folder_of_a_version_leads_back_to_it_encoded_or_not(model: str, number: int) -> None:
    path = held_path(model, number)
    for sent in (path, quote(path), unquote(path)):
        place = Place.of(parsed(decoded(sent)))
        assert (place.model, place.number, place.path) == (model, number, "")


@pytest.mark.parametrize(
    ("uri", "path", "surely"),
    [
        ("mlflow-artifacts:/1/run/model", "1/run/model", False),
        ("mlflow-artifacts:///1/run/model/", "1/run/model", False),
        (f"mlflow-artifacts://{HOST}/1/a%20b", "1/a b", True),
        (f"MLFLOW-ARTIFACTS://LOCALHOST:5000/1/{'x' * 10}", "1/xxxxxxxxxx", True),
        (f"http://{HOST}/api/2.0/mlflow-artifacts/artifacts/1/m", "1/m", True),
        ("https://registry.example.com:5000/ajax-api/2.0/mlflow-artifacts/artifacts/1", "1", True),
    ],
)
def test_a_source_below_this_server_is_a_place(uri: str, path: str, surely: bool) -> None:
    found = of_source(uri, HOST, ["Registry.example.com"])
    assert found is not None
    assert (found.place.path, found.surely) == (path, surely)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "s3://bucket/1",
        "/1/run/model",
        "models:/m-1",
        "mlflow-artifacts:/a:b",
        "mlflow-artifacts:/",
        "mlflow-artifacts://other:5000/1",
        "mlflow-artifacts://127.0.0.1:5001/1",
        f"http://{HOST}/1/run",
        f"http://{HOST}.example.com/api/2.0/mlflow-artifacts/artifacts/1",
        "http:/api/2.0/mlflow-artifacts/artifacts/1",
        "http://[::1/api",
    ],
)
def test_any_other_source_is_elsewhere(uri: str) -> None:
    assert of_source(uri, HOST, ()) is None


@pytest.mark.parametrize("below", ["", "a:b", "..", "muster-models/m/x"])
def test_a_source_that_names_this_server_must_be_possible_here(below: str) -> None:
    with pytest.raises((Invalid, NotFound)):
        of_source(f"http://{HOST}/api/2.0/mlflow-artifacts/artifacts/{below}", HOST, ())
