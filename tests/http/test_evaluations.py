"""Evaluations over HTTP: recorded with and without a report, read, repeated, refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from muster.bootstrap.server import verify
from tests.live import Live, fresh, live

SHA = "a" * 64
SAID: dict[str, Any] = {
    "metrics": {"auc": 0.93, "f1": 0.8},
    "dataset": {"name": "holdout", "sha256": SHA, "uri": "s3://data/holdout"},
    "notes": "as every quarter",
    "tool": "bench 1.2",
}
REPORT = b"<h1>Report</h1>" * 1000


class Version:
    """A version without files, and its evaluations."""

    def __init__(self, server: Live) -> None:
        self.server, self.name = server, fresh()
        server.register(self.name)
        self.path = f"/api/v1/models/{self.name}/versions/v1/evaluations"

    def evaluate(self, said: Any = SAID, actor: str = "carl", **headers: str) -> httpx.Response:
        return self.server.http.post(self.path, json=said, headers={"X-Muster-Actor": actor, **headers})

    def report(
        self,
        said: Any = SAID,
        content: bytes = REPORT,
        name: str = "report.html",
        query: str = "",
        **headers: str,
    ) -> httpx.Response:
        form: Any = {"evaluation": (None, json.dumps(said)), "report": (name, content)}
        headers = {"X-Muster-Actor": "carl", **headers}
        return self.server.http.post(f"{self.path}{query}", files=form, headers=headers)

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.server.send("GET", self.path).json()["items"]
        return found

    def stored(self) -> set[str]:
        return set(self.server.home.registry.artifacts.digests())


@pytest.fixture
def version(server: Live) -> Version:
    return Version(server)


def test_an_evaluation_is_one_commit_and_is_shown_with_its_author(version: Version) -> None:
    answer = version.evaluate()
    assert answer.status_code == 201
    record = answer.json()
    assert {key: record[key] for key in SAID} == SAID
    assert (record["number"], record["by"], record["evaluator"]) == (1, "carl", "carl")
    assert (record["verified"], record["same_files"], record["report"]) == (False, True, None)
    assert record["commit"] == answer.headers["Muster-Commit"]
    change = version.server.send("GET", f"/api/v1/changes/{record['commit']}").json()
    assert (change["change"], change["actor"]) == ("evaluate", "carl")
    assert change["message"] == f"Evaluate {version.name} v1 (auc=0.93, f1=0.8) on holdout"
    assert version.server.send("GET", f"{version.path}/1").json() == record


def test_evaluations_are_listed_newest_first_in_pages(version: Version) -> None:
    for auc in (0.1, 0.2, 0.3):
        version.evaluate({"metrics": {"auc": auc}})
    assert [each["metrics"]["auc"] for each in version.listed()] == [0.3, 0.2, 0.1]
    first = version.server.send("GET", version.path, params={"limit": 2}).json()
    rest = version.server.send("GET", version.path, params={"limit": 2, "after": first["next"]}).json()
    assert [each["number"] for each in (*first["items"], *rest["items"])] == [3, 2, 1]
    assert (first["count"], rest["next"]) == (3, None)


def test_the_same_by_the_same_is_no_commit(version: Version) -> None:
    first = version.evaluate()
    again = version.evaluate()
    assert (again.status_code, again.json()) == (200, first.json())
    assert "Muster-Commit" not in again.headers
    assert version.evaluate(actor="dan").json()["number"] == 2


def test_a_repeated_key_gives_the_first_answer(version: Version) -> None:
    key = {"Idempotency-Key": fresh("key")}
    first = version.evaluate(**key)
    version.evaluate({"metrics": {"auc": 0.5}})
    again = version.evaluate(**key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert version.evaluate({"metrics": {"auc": 0.6}}, **key).status_code == 409


def test_a_report_comes_back_byte_for_byte(version: Version) -> None:
    answer = version.report()
    assert answer.status_code == 201, answer.text
    sha256 = hashlib.sha256(REPORT).hexdigest()
    assert answer.json()["report"] == {"path": "report.html", "size": len(REPORT), "sha256": sha256}
    got = version.server.http.get(f"{version.path}/1/report")
    assert got.content == REPORT
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''report.html"
    assert got.headers["Content-Type"] == "application/octet-stream"
    part = version.server.http.get(f"{version.path}/1/report", headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, REPORT[1:3])


def test_a_report_alone_is_enough(version: Version) -> None:
    assert version.report({}).status_code == 201
    assert version.evaluate({}).status_code == 400


def test_a_repeated_key_with_a_report_gives_the_first_answer(version: Version) -> None:
    key: Any = {"Idempotency-Key": fresh("key")}
    first = version.report(**key)
    again = version.report(**key)
    assert (again.status_code, again.json()) == (201, first.json())
    refused = version.report(content=b"another", **key)
    assert refused.json()["code"] == "idempotency_key_reused"
    assert hashlib.sha256(b"another").hexdigest() not in version.stored()
    assert len(version.listed()) == 1


def test_a_dry_run_with_a_report_stores_nothing(version: Version) -> None:
    content = fresh("nothing").encode()
    preview = version.report(content=content, query="?dry_run=true").json()
    assert preview["subject"].startswith(f"Evaluate {version.name} v1")
    assert hashlib.sha256(content).hexdigest() not in version.stored()
    assert version.listed() == []
    plain = version.server.send("POST", f"{version.path}?dry_run=true", json=SAID).json()
    assert {change["field"] for change in plain["changes"]} >= {"metrics.auc", "dataset.sha256", "by"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"metrics": {"auc": "much"}}, "metrics.auc"),
        ({"metrics": {}}, "metrics"),
        ({"metrics": {"auc": 1}, "dataset": {}}, "dataset"),
        ({"metrics": {"auc": 1}, "dataset": {"sha256": "12"}}, "dataset.sha256"),
        ({"metrics": {"auc": 1}, "evaluator": "team:"}, "evaluator"),
        ({"metrics": {"auc": 1}, "by": "ada"}, "by"),
        ({"metrics": {"auc": 1}, "report": {}}, "report"),
        ([], "body"),
    ],
)
def test_bad_input_is_refused_with_field_and_rule(version: Version, said: Any, field: str) -> None:
    answer = version.evaluate(said)
    assert answer.status_code == 400
    assert field in [problem["field"] for problem in answer.json()["problems"]]
    assert version.listed() == []


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"report": ("r.html", b"x"), "evaluation": (None, "{}")}, "must be a form with evaluation"),
        ({"evaluation": (None, "{}")}, "must be a form with evaluation"),
        ({"evaluation": (None, "{"), "report": ("r.html", b"x")}, "must be JSON"),
        ({"evaluation": (None, "{}"), "report": (".gitignore", b"x")}, "must not have a component"),
        ({"evaluation": (None, '{"metrics": 1}'), "report": ("r", b"x")}, "must be a JSON object"),
    ],
)
def test_a_form_that_is_none_leaves_nothing_behind(version: Version, form: Any, why: str) -> None:
    before = version.stored()
    answer = version.server.http.post(version.path, files=form)
    assert answer.status_code == 400
    assert why in answer.json()["detail"]
    assert version.stored() == before
    assert version.listed() == []


def test_nobody_evaluates_for_a_team_that_is_not_theirs(version: Version) -> None:
    before = version.stored()
    content = fresh("refused").encode()
    for answer in (
        version.evaluate({**SAID, "evaluator": "team:moon"}),
        version.report({**SAID, "evaluator": "team:moon"}, content),
    ):
        assert answer.status_code == 403
        (objection,) = answer.json()["objections"]
        assert objection["message"] == "carl cannot evaluate as team:moon"
    assert version.stored() == before


def test_what_is_not_there_is_not_found(version: Version) -> None:
    for path in (f"{version.path}/1", f"{version.path}/1/report", version.path.replace("v1/e", "v9/e")):
        assert version.server.http.get(path).status_code == 404
    version.evaluate()
    missing = version.server.http.get(f"{version.path}/1/report")
    assert (missing.status_code, missing.json()["kind"]) == (404, "report")


def test_a_version_whose_files_are_to_come_is_not_evaluated(version: Version) -> None:
    versions = f"/api/v1/models/{version.name}/versions"
    version.server.send("POST", versions, json={"version": "v2", "pending": True})
    answer = version.server.http.post(f"{versions}/v2/evaluations", json=SAID)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_evaluations_follow_a_renamed_model(version: Version) -> None:
    first = version.report().json()
    new = fresh("renamed")
    version.server.send("POST", f"/api/v1/models/{version.name}/rename", json={"name": new})
    version.path = version.path.replace(version.name, new)
    assert version.listed() == [first]
    assert version.server.http.get(f"{version.path}/1/report").content == REPORT
    assert version.evaluate({"metrics": {"auc": 1}}).json()["number"] == 2


def test_verify_finds_a_damaged_and_a_missing_report(tmp_path: Path) -> None:
    with live(tmp_path / "home") as server:
        version = Version(server)
        sha256 = version.report().json()["report"]["sha256"]
        version.report({}, b"another")
        server.send("POST", f"/api/v1/models/{version.name}/rename", json={"name": "renamed"})
        settings = server.home.settings
        folder = server.home.storage.folder.repository / "lfs" / "objects"
    assert verify(settings) == []  # Git, files and an index made anew agree
    path = folder / sha256[:2] / sha256[2:4] / sha256
    path.write_bytes(REPORT[:-1] + b"!")
    (damaged,) = verify(settings)
    assert "evaluations/1/files/report.html is damaged in the store" in damaged
    path.unlink()
    (missing,) = verify(settings)
    assert "evaluations/1/files/report.html is missing from the store" in missing


def test_the_page_of_a_version_shows_its_evaluations(version: Version) -> None:
    page = f"/m/{version.name}/v1"
    assert "Nobody has evaluated it." in version.server.send("GET", page).text
    first = version.report({**SAID, "notes": "<b>fine</b>"}).json()
    version.evaluate({"metrics": {"auc": 0.5}})
    shown = version.server.send("GET", page).text
    for text in (
        "holdout",
        "report.html",
        "&lt;b&gt;fine&lt;/b&gt;",
        "carl",
        f"{version.path.replace('v1/e', '1/e')}/1/report",
    ):
        assert text in shown
    then = version.server.send("GET", page, params={"at": first["commit"]}).text
    assert "0.93" in then
    assert '<th scope="row">2</th>' not in then
