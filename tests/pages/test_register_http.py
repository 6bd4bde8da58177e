"""What goes over the wire when a page registers: bad input, uploads, repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from tests.live import Live, fresh
from tests.pages.acting import token, told, visitor


@pytest.fixture
def browser(server: Live) -> Iterator[httpx.Client]:
    with visitor(server) as client:
        yield client


@pytest.fixture(scope="module")
def there(server: Live) -> str:
    """A model with a final version v1."""
    name = fresh("there")
    server.register(name, "v1")
    return name


@pytest.fixture
def pending(server: Live) -> str:
    """A model whose version v1 waits for its files."""
    name = fresh("pending")
    server.send("POST", f"/api/v1/models/{name}/versions", json={"version": "v1", "pending": True})
    return name


def files(server: Live, name: str) -> list[str]:
    listed = server.send("GET", f"/api/v1/models/{name}/versions/v1/files").json()["items"]
    return [each["path"] for each in listed]


# ------------------------------------------------------------ what is described


Parts = list[tuple[str, tuple[str | None, str | bytes]]]
BAD: list[tuple[dict[str, str | list[str]], str, str]] = [
    ({"name": ""}, "name", "must not be empty"),
    ({"name": "a/b"}, "name", "must not hold '/'"),
    ({"name": "a\x00b"}, "name", "must not hold control"),
    ({"name": "n" * 257}, "name", "at most 256 characters"),
    ({"version": "v1@x"}, "version", "must not hold '@'"),
    ({"version": "41"}, "version", "a label of digits must equal the version's number"),
    ({"description": "d" * 65_537}, "description", "must be at most 65,536 characters"),
    ({"training_data.rows": "-1"}, "training_data.rows", "must be a whole number from 0"),
    ({"training_data.rows": "1e3"}, "training_data.rows", "must be a whole number from 0"),
    ({"training_data.sha256": "zz"}, "training_data.sha256", "must be a sha256: 64 hex digits"),
    ({"bases[0].relation": "derived"}, "bases", "must have either ref or uri"),
    ({"bases[0].ref": "x/1", "bases[0].relation": "cousin"}, "bases", "must be one of finetuned"),
    ({"metrics_name": "auc", "metrics_value": "NaN"}, "metrics-1", "must be a finite number"),
    ({"metrics_name": "", "metrics_value": "0.5"}, "metrics-1", "must not be empty"),
    ({"metrics_name": ["auc", "auc"], "metrics_value": ["1", "2"]}, "metrics-1", "must not be given twice"),
    ({"tags_name": "t" * 257, "tags_value": "x"}, "tags-1", "at most 256 characters"),
    ({"reason": "a\x01b"}, "reason", "must not hold control characters"),
]


@pytest.mark.parametrize(
    ("sent", "field", "rule"), BAD, ids=[f"{f}-{at}" for at, (_, f, _) in enumerate(BAD)]
)
def test_bad_input_is_named_and_nothing_is_registered(
    server: Live, browser: httpx.Client, sent: dict[str, str | list[str]], field: str, rule: str
) -> None:
    before = told(server)
    page = browser.get("/register")
    answer = browser.post("/register", data={"name": "fine", "files": "no", "token": token(page), **sent})
    assert answer.status_code == 400
    text = unescape(answer.text)
    assert rule in text
    assert re.search(rf'aria-invalid="true"[^>]*aria-describedby="{re.escape(field)}', answer.text) or (
        field == "bases"
    )
    assert "Nothing was registered" in text
    assert told(server) == before


def test_other_content_for_a_version_that_is_there_is_a_conflict(
    server: Live, browser: httpx.Client, there: str
) -> None:
    page = browser.get("/register")
    sent = {"name": there, "version": "v1", "description": "other", "files": "no", "token": token(page)}
    answer = browser.post("/register", data=sent)
    assert answer.status_code == 409
    assert "A version never changes; give the new content a new version" in unescape(answer.text)
    assert 'value="v1"' in answer.text


def test_a_registration_sent_twice_is_one(server: Live, browser: httpx.Client) -> None:
    name = fresh("twice")
    page = browser.get("/register")
    key = re.search(r'name="key" value="([0-9a-f]{32})"', page.text)
    assert key is not None
    sent = {"name": name, "files": "yes", "key": key[1], "token": token(page)}
    first, again = (browser.post("/register", data=sent) for _ in range(2))
    assert first.headers["location"] == again.headers["location"]
    changed = browser.post("/register", data=sent | {"description": "another"})
    assert changed.headers["location"].startswith(f"/register/{name}/2?")
    assert server.send("GET", f"/api/v1/models/{name}/versions").json()["count"] == 2


def test_nothing_is_registered_without_the_token(server: Live, browser: httpx.Client) -> None:
    before = told(server)
    browser.get("/register")
    assert browser.post("/register", data={"name": "forged", "files": "no"}).status_code == 403
    assert told(server) == before


# ------------------------------------------------------------ what is uploaded


def test_each_file_of_a_form_becomes_one_of_the_version(
    server: Live, browser: httpx.Client, pending: str
) -> None:
    page = browser.get(f"/register/{pending}/v1")
    parts: Parts = [
        ("token", (None, token(page))),
        ("file", ("", b"")),  # a field that nobody chose a file for
        ("file", ("model.onnx", b"graph")),
        ("folder", ("mine/data/weights.bin", b"w" * 300_000)),
        ("folder", ("mine/été “1”.txt", b"x")),
        ("path", (None, "deep/in/here.json")),
        ("file", ("here.json", b"{}")),
    ]
    answer = browser.post(f"/register/{pending}/v1", files=parts)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/register/{pending}/v1")
    assert files(server, pending) == ["data/weights.bin", "deep/in/here.json", "model.onnx", "été “1”.txt"]
    stored = server.send("GET", f"/api/v1/models/{pending}/versions/v1/files/data/weights.bin")
    assert stored.content == b"w" * 300_000


def test_a_file_that_is_refused_leaves_the_others_alone(
    server: Live, browser: httpx.Client, pending: str
) -> None:
    page = browser.get(f"/register/{pending}/v1")
    parts: Parts = [
        ("token", (None, token(page))),
        ("file", ("a.txt", b"a")),
        ("folder", ("mine/.git/config", b"x" * 200_000)),
        ("folder", ("mine/A.txt", b"b")),
        ("folder", ("mine/../../etc/passwd", b"c")),
        ("file", ("z.txt", b"z")),
    ]
    answer = browser.post(f"/register/{pending}/v1", files=parts)
    assert answer.status_code == 400
    text = unescape(answer.text)
    assert "must not have a component that begins with '.git'" in text
    assert "differ by case or accents' coding alone" in text
    assert "without empty, '.' or '..' components" in text
    assert "The other 2 files were stored." in text
    assert files(server, pending) == ["a.txt", "z.txt"]


@pytest.mark.parametrize("sent", [None, "", "00" * 32])
def test_nothing_is_stored_without_the_token(
    server: Live, browser: httpx.Client, pending: str, sent: str | None
) -> None:
    browser.get(f"/register/{pending}/v1")
    first: Parts = [] if sent is None else [("token", (None, sent))]
    answer = browser.post(f"/register/{pending}/v1", files=[*first, ("file", ("a.txt", b"a"))])
    assert answer.status_code == 403
    assert files(server, pending) == []


def test_a_token_that_comes_after_the_files_is_too_late(
    server: Live, browser: httpx.Client, pending: str
) -> None:
    page = browser.get(f"/register/{pending}/v1")
    parts: Parts = [("file", ("a.txt", b"a")), ("token", (None, token(page)))]
    assert browser.post(f"/register/{pending}/v1", files=parts).status_code == 403
    assert files(server, pending) == []


def test_an_upload_that_is_cut_short_keeps_what_was_whole(
    server: Live, browser: httpx.Client, pending: str
) -> None:
    page = browser.get(f"/register/{pending}/v1")
    parts = {'name="token"': token(page), 'name="file"; filename="whole.txt"': "a" * 1000}
    parts['name="file"; filename="half.txt"'] = "b" * 1000
    heads = "--cut\r\nContent-Disposition: form-data; "
    body = "".join(f"{heads}{name}\r\n\r\n{value}\r\n" for name, value in parts.items())
    kind = {"content-type": "multipart/form-data; boundary=cut"}
    answer = browser.post(f"/register/{pending}/v1", content=body[:-500].encode(), headers=kind)
    assert answer.status_code == 400
    assert "must be whole multipart/form-data" in unescape(answer.text)
    assert files(server, pending) == ["whole.txt"]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
def test_only_a_form_with_files_is_taken(
    server: Live, browser: httpx.Client, pending: str, kind: str
) -> None:
    answer = browser.post(f"/register/{pending}/v1", content=b"x", headers={"content-type": kind})
    assert answer.status_code == 400
    assert "must be multipart/form-data with a boundary" in answer.text


def test_a_version_that_is_fixed_takes_no_more(server: Live, browser: httpx.Client, pending: str) -> None:
    versions = f"/api/v1/models/{pending}/versions/v1"
    server.send("PUT", f"{versions}/files/a.txt", content=b"a")
    page = browser.get(f"/register/{pending}/v1")
    server.send("POST", f"{versions}/finalize")
    parts: Parts = [("token", (None, token(page))), ("file", ("b.txt", b"b"))]
    answer = browser.post(f"/register/{pending}/v1", files=parts)
    assert answer.status_code == 409
    assert "its files are fixed; register a new version" in unescape(answer.text)
    assert files(server, pending) == ["a.txt"]


@pytest.mark.parametrize("action", ["remove", "finalize"])
def test_files_are_neither_removed_nor_fixed_without_the_token(
    server: Live, browser: httpx.Client, pending: str, action: str
) -> None:
    server.send("PUT", f"/api/v1/models/{pending}/versions/v1/files/a.txt", content=b"a")
    browser.get(f"/register/{pending}/v1")
    answer = browser.post(f"/register/{pending}/v1/{action}", data={"path": "a.txt"})
    assert answer.status_code == 403
    assert files(server, pending) == ["a.txt"]
    assert server.send("GET", f"/api/v1/models/{pending}/versions/v1").json()["state"] == "pending"


def test_what_is_not_there_cannot_be_removed(server: Live, browser: httpx.Client, pending: str) -> None:
    page = browser.get(f"/register/{pending}/v1")
    answer = browser.post(f"/register/{pending}/v1/remove", data={"path": "no.txt", "token": token(page)})
    assert answer.status_code == 404
    assert "no.txt" in answer.text


@pytest.mark.parametrize(
    "path", ["/register/nobody/v1", "/deploy/nobody", "/operation/0123", "/rollback/x/production"]
)
def test_what_is_not_there_is_a_page_that_says_so(browser: httpx.Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "not found" in answer.text
