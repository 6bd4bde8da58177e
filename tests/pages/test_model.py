"""The pages of a model and of a version, as people see them."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.live import Live, fresh
from tests.pages import parcels
from tests.pages.conftest import Visit

pytestmark = pytest.mark.needs("chromium")

either = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@either
def test_a_model_shows_where_it_runs_and_how_its_versions_measure(
    filled: Live, visit: Visit, script: bool
) -> None:
    page = visit(f"{filled.url}/m/label_digits", script=script)
    stops = page.get_by_role("region", name="Where it runs").locator("li")
    assert [stop.split("\n")[0] for stop in stops.all_inner_texts()] == [
        "development",
        "staging",
        "production",
    ]
    expect(stops.nth(0)).to_contain_text("did not start")
    expect(stops.nth(2)).to_contain_text("ready, 1 process, 0 requests, 0 errors")
    expect(page.get_by_text("label_digits v1.4 did not start in development").first).to_be_visible()
    rows = page.get_by_role("table", name="Versions of label_digits").locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(2)).to_contain_text("production")
    expect(
        page.get_by_role("img", name="accuracy over versions: 0.923 at v0.9, 0.968 at v1.2 in production")
    ).to_be_visible()
    page.get_by_label("Plot").select_option("f1_macro")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("img", name="f1_macro over versions")).to_be_visible()


@either
def test_a_model_tells_its_card_its_aliases_and_its_lineage(filled: Live, visit: Visit, script: bool) -> None:
    page = visit(f"{filled.url}/m/label_digits", script=script)
    expect(page.get_by_role("heading", name="Reading postcodes", level=3)).to_be_visible()
    expect(page.get_by_role("region", name="Card").get_by_role("cell", name="0.41")).to_be_visible()
    champion = page.get_by_role("row").filter(has_text="@champion")
    expect(champion).to_contain_text("v1.2")
    expect(champion).to_contain_text("ml-7")
    lineage = page.get_by_role("region", name="Made from, used by")
    title = "label_digits v1.2 was made from labels-2026q3 (61,340 rows), mobilenet_small (1, finetuned)"
    expect(lineage.get_by_role("img", name=f"{title}; used by label_ocr v4")).to_be_visible()
    lineage.get_by_role("link", name="label_ocr v4").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("label_ocr v4")


def test_an_example_is_copied_and_runs(filled: Live, visit: Visit) -> None:
    page = visit(f"{filled.url}/m/label_digits")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("region", name="Example for curl")).to_contain_text(
        "/serve/production/label_digits"
    )
    page.get_by_text("Python", exact=True).click()
    python = page.get_by_role("region", name="Example for Python")
    expect(python).to_contain_text("muster.predict('label_digits'")
    page.get_by_role("button", name="Copy Example for Python").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    said: dict[str, Any] = {}
    exec(
        page.evaluate("navigator.clipboard.readText()").replace("muster.predict", "answer = muster.predict"),
        said,
    )
    said["muster"].close()
    assert "predictions" in str(said["answer"])


@either
def test_a_version_shows_what_is_known_and_who_said_it(filled: Live, visit: Visit, script: bool) -> None:
    page = visit(f"{filled.url}/m/label_digits/v1.3", script=script)
    facts = page.get_by_role("region", name="What is known")
    changed = facts.locator("div").filter(has_text="Second training on thermal-printer labels.")
    expect(changed.locator(".blame")).to_contain_text("ml-7")
    given = facts.locator("div").filter(has_text="Training data")
    expect(given).to_contain_text("labels-2026q3, 61,340 rows")
    expect(given.locator(".blame")).to_contain_text("ci-bot")
    page.get_by_label("Show every reason").check()
    expect(facts.get_by_text("Say what changed")).to_be_visible()
    runs = page.get_by_role("region", name="Where it ran")
    expect(runs).to_contain_text("Staging, until now")
    expect(runs).to_contain_text("Soak before production")


@either
def test_metrics_stand_against_those_of_any_other_version(filled: Live, visit: Visit, script: bool) -> None:
    page = visit(f"{filled.url}/m/label_digits/v1.3", script=script)
    table = page.get_by_role("region", name="Metrics").get_by_role("table")
    accuracy = table.get_by_role("row").filter(has_text="accuracy")
    assert accuracy.locator("th, td").all_inner_texts() == ["accuracy", "0.977", "0.968", "+0.009", "better"]
    page.get_by_label("against").select_option("v1.4")
    page.get_by_role("button", name="Compare").click()
    assert accuracy.locator("th, td").all_inner_texts() == ["accuracy", "0.977", "0.979", "−0.002", "worse"]


@either
def test_files_come_with_size_and_digest_and_can_be_fetched(filled: Live, visit: Visit, script: bool) -> None:
    page = visit(f"{filled.url}/m/label_digits/v1.2", script=script)
    content = parcels.digits()[1]
    row = page.get_by_role("row").filter(has_text="model.onnx")
    expect(row).to_contain_text(hashlib.sha256(content).hexdigest()[:12])
    with page.expect_download() as coming:
        row.get_by_role("link", name="model.onnx").click()
    assert coming.value.path().read_bytes() == content


@either
def test_a_form_made_from_the_signature_asks_the_running_version(
    filled: Live, visit: Visit, script: bool
) -> None:
    page = visit(f"{filled.url}/m/label_digits/v1.3", script=script)
    page.get_by_label("X FP32, 64").fill(parcels.digits()[3])
    page.get_by_role("button", name="Ask v1.3").click()
    answer = page.locator("#answer")
    expect(answer.locator(".hit")).to_have_text("6")
    best = answer.get_by_role("list", name="probabilities").locator("li").first
    assert best.inner_text().split()[0] == "6"
    expect(page.get_by_label("X FP32, 64")).to_have_value(parcels.digits()[3])


@either
def test_what_was_typed_wrong_is_kept_and_said_beside_it(filled: Live, visit: Visit, script: bool) -> None:
    page = visit(f"{filled.url}/m/label_digits/v1.3", script=script)
    page.get_by_label("X FP32, 64").fill("1 2 three")
    page.get_by_role("button", name="Ask v1.3").click()
    expect(page.locator("#answer")).to_contain_text("Nothing was sent")
    expect(page.get_by_label("X FP32, 64")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("X FP32, 64")).to_have_value("1 2 three")
    expect(
        page.get_by_text("must be numbers, with spaces or commas between them, not 'three'")
    ).to_be_visible()


def test_drawing_writes_the_numbers_and_asks(filled: Live, visit: Visit) -> None:
    page = visit(f"{filled.url}/m/label_digits/v1.3")
    pad = page.get_by_role("img", name="Drawing pad")
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 180, steps=30)
    page.mouse.up()
    expect(page.locator("#answer .hit")).to_be_visible()
    drawn = page.get_by_label("X FP32, 64").input_value().split()
    assert drawn.count("16") == 8
    page.get_by_role("button", name="Clear the pad").click()
    assert set(page.get_by_label("X FP32, 64").input_value().split()) == {"0"}


@pytest.mark.parametrize("name", ["100% of \"it\" & 'that'", "größe ✓ <b>", "a" * 256, "what?#;+ %2e"])
def test_any_name_has_pages(server: Live, visit: Visit, name: str) -> None:
    server.send("POST", f"/api/v1/models/{quote(name, safe='')}/versions", json={"version": "v 1%?#"})
    page = visit(server.url, width=360)
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("table", name="Versions of").get_by_role("link", name="v 1%?#").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{name} v 1%?#")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_card_can_do_no_harm(server: Live, visit: Visit) -> None:
    card = (
        "# Title\n\n<script>document.title = 'harm'</script><img src=x onerror=\"document.title='harm'\">\n\n"
        "[a link](javascript:document.title='harm') <style>body { display: none }</style>\n\n**kept**"
    )
    server.send("POST", "/api/v1/models", json={"name": "harmful", "card": card})
    page = visit(f"{server.url}/m/harmful")
    expect(page.get_by_text("kept")).to_be_visible()
    assert page.title() == "harmful · Muster"
    assert page.locator(".prose").locator("script, img, style, a[href]").count() == 0


@either
def test_an_empty_model_says_what_to_do_next(server: Live, visit: Visit, script: bool) -> None:
    name = fresh("bare")
    server.send("POST", "/api/v1/models", json={"name": name})
    page = visit(f"{server.url}/m/{name}", script=script)
    expect(page.get_by_text(f"muster register {name} v1 --files DIR")).to_be_visible()
    expect(page.get_by_role("link", name="Register a version…")).to_be_visible()


def test_what_is_not_there_is_a_page_that_says_so(server: Live, visit: Visit) -> None:
    page = visit(f"{server.url}/m/nothing-of-this-name")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not Found")
    expect(page.get_by_text("Model not found: nothing-of-this-name")).to_be_visible()
