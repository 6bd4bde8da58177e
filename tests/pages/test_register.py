"""Registering a version with its files from the browser, as people do it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.live import Live, fresh
from tests.pages.conftest import Visit
from tests.serving import iris_onnx, onnx_with_weights_beside_it

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(180)]

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of several files."""
    for path, content in onnx_with_weights_beside_it().items():
        file = tmp_path / "mine" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "mine"


def field(page: Page, label: str) -> Locator:
    """What the page asks, by the beginning of its label."""
    return page.get_by_role("main").get_by_label(re.compile(f"^{label}"))


def paths(page: Page) -> list[str]:
    return page.get_by_role("table", name="Files of").locator("tbody th").all_inner_texts()


@either
def test_a_new_model_is_described_gets_its_files_and_is_fixed(
    server: Live, visit: Visit, folder: Path, script: bool
) -> None:
    name = fresh("sums")
    page = visit(f"{server.url}/register", script=script)
    field(page, "Model").fill(name)
    field(page, "Version").fill("v1.0")
    field(page, "Owner").fill("vision")
    field(page, "Description").fill("Sums two and two")
    field(page, "Name of the data set").fill("pairs")
    field(page, "Rows").fill("61,340")
    field(page, "Where it is").fill("https://data.example/pairs.csv")
    field(page, "sha256").fill("a" * 64)
    field(page, "Repository").fill("https://git.example/sums")
    field(page, "Commit").fill("8c14e2f")
    field(page, "metric 1: Metric").fill("accuracy")
    field(page, "metric 1: Value").fill("0.977")
    page.get_by_role("button", name="Another metric").click()
    field(page, "metric 2: Metric").fill("latency_ms")
    field(page, "metric 2: Value").fill("3")
    field(page, "tag 1: Tag").fill("tier")
    field(page, "tag 1: Value").fill("2")
    field(page, "Reason").fill("The first")
    page.get_by_role("button", name="Register this version").click()
    page.wait_for_url("**/register/*/v1.0?done=*")
    expect(page.get_by_text(f"Done. Register {name} v1.0 (new model)")).to_be_visible()
    expect(page.get_by_text("can be deployed once its files are fixed")).to_be_visible()
    page.get_by_label("A folder").set_input_files(folder)
    if script:
        expect(page.get_by_text("2 of 2 files are there.")).to_be_visible()
        expect(page.get_by_role("list", name="Uploads").locator("li")).to_have_count(2)
    else:
        page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("table", name="Files of").locator("tbody tr")).to_have_count(2)
    assert paths(page) == ["data/weights.bin", "model.onnx"]
    page.get_by_role("button", name="Fix the files of v1.0").click()
    page.wait_for_url("**/m/*/v1.0?done=*")
    record = server.send("GET", f"/api/v1/models/{name}/versions/v1.0").json()
    assert record["state"] == "final"
    assert record["training_data"] == {
        "name": "pairs",
        "rows": 61340,
        "uri": "https://data.example/pairs.csv",
        "sha256": "a" * 64,
    }
    assert record["metrics"] == {"accuracy": 0.977, "latency_ms": 3}
    assert (record["tags"], record["owner"]) == ({"tier": "2"}, "vision")
    assert record["source"] == {"repository": "https://git.example/sums", "commit": "8c14e2f"}
    assert record["signature"]["inputs"][0]["name"] == "X"
    first = server.send("GET", f"/api/v1/models/{name}/versions/v1.0/history").json()["items"][-1]
    assert first["reason"] == "The first"


def test_a_folder_is_dropped(server: Live, visit: Visit, folder: Path) -> None:
    name = fresh("dropped")
    server.send("POST", f"/api/v1/models/{name}/versions", json={"version": "v1", "pending": True})
    page = visit(f"{server.url}/register/{name}/v1")
    drop(page, [folder])
    expect(page.get_by_text("2 of 2 files are there.")).to_be_visible()
    expect(page.get_by_role("table", name="Files of").locator("tbody tr")).to_have_count(2)
    assert paths(page) == ["data/weights.bin", "model.onnx"]
    (folder / "one.json").write_text("{}")
    (folder / ".gitignore").write_text("*")
    drop(page, [folder / "one.json", folder / ".gitignore"])
    expect(page.get_by_text("3 of 4 files are there, 1 refused.")).to_be_visible()
    uploads = page.get_by_role("list", name="Uploads")
    expect(uploads).to_contain_text("must not have a component that begins with '.git'")
    expect(page.get_by_role("table", name="Files of").locator("tbody tr")).to_have_count(3)


def drop(page: Page, files: list[Path]) -> None:
    """Drag files from outside of the browser onto the page, and let go."""
    box = page.locator("form[data-upload]").bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": box["x"] + 30,
                "y": box["y"] + 30,
                "data": {"items": [], "files": [str(each) for each in files], "dragOperationsMask": 1},
            },
        )
    session.detach()


@either
def test_a_version_without_files_gets_them_once_later(
    server: Live, visit: Visit, tmp_path: Path, script: bool
) -> None:
    name = fresh("later")
    (tmp_path / "model.onnx").write_bytes(iris_onnx())
    page = visit(f"{server.url}/register?name={name}", script=script)
    page.get_by_label("None").check()
    page.get_by_role("button", name="Register this version").click()
    page.wait_for_url("**/m/*/1?done=*")
    page.get_by_role("link", name="Add files").click()
    expect(page.get_by_text("They may be added now, once")).to_be_visible()
    page.get_by_label("Files", exact=True).set_input_files(tmp_path / "model.onnx")
    if not script:
        page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("table", name="Files of").locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Fix the files of 1").click()
    page.wait_for_url("**/m/*/1?done=*")
    page.goto(f"{server.url}/register/{name}/1")
    expect(page.get_by_text("Its files are fixed for ever.")).to_be_visible()
    expect(page.get_by_label("Files", exact=True)).to_have_count(0)


def test_a_file_is_taken_out_again(server: Live, visit: Visit) -> None:
    name = fresh("taken")
    versions = f"/api/v1/models/{name}/versions"
    server.send("POST", versions, json={"version": "v1", "pending": True})
    for path in ("a.txt", "b/c.txt"):
        server.send("PUT", f"{versions}/v1/files/{path}", content=b"x")
    page = visit(f"{server.url}/register/{name}/v1", script=False)
    page.get_by_role("button", name="Take out b/c.txt").click()
    expect(page.get_by_text("Done. ")).to_be_visible()
    assert paths(page) == ["a.txt"]


@either
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
    server: Live, visit: Visit, script: bool
) -> None:
    name = fresh("wrong")
    page = visit(f"{server.url}/register", script=script)
    for label, text in (
        ("Model", f"{name}/x"),
        ("Rows", "many"),
        ("sha256", "abc"),
        ("metric 1: Metric", "accuracy"),
        ("metric 1: Value", "good"),
    ):
        field(page, label).fill(text)
    page.get_by_role("button", name="Register this version").click()
    for label, text, rule in (
        ("Model", f"{name}/x", "must not hold '/'"),
        ("Rows", "many", "must be a whole number"),
        ("sha256", "abc", "must be a sha256: 64 hex digits"),
        ("metric 1: Metric", "accuracy", "must be a finite number"),
    ):
        wrong = field(page, label)
        expect(wrong).to_have_value(text)
        expect(wrong).to_have_attribute("aria-invalid", "true")
        description = wrong.evaluate(
            "f => document.getElementById(f.getAttribute('aria-describedby')).innerText"
        )
        assert rule in description
    expect(page.get_by_role("alert")).to_contain_text("Nothing was registered")
    field(page, "Model").fill(name)
    field(page, "Rows").fill("7")
    field(page, "sha256").fill("")
    field(page, "metric 1: Value").fill("0.5")
    page.get_by_role("button", name="Register this version").click()
    page.wait_for_url("**/register/*/1?done=*")


def test_a_known_model_is_told_by_its_name(server: Live, visit: Visit) -> None:
    name = fresh("known")
    server.register(name, "v1")
    page = visit(f"{server.url}/m/{name}", script=False)
    page.get_by_role("link", name="Register a version").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Register a version of {name}")
    expect(page.get_by_text("It becomes version 2; the newest is v1.")).to_be_visible()
