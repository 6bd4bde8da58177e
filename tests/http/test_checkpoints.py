"""Signed statements over HTTP, and exports whose bytes depend on the commit alone."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

from muster.domain.checkpoints import read
from muster.domain.codec import canonical
from muster.domain.exports import read_signature
from muster.proof.keys import PublicKey
from tests.live import Live, fresh, live

CHECKPOINTS = "/api/v1/checkpoints"
AUDIT = "/api/v1/exports/audit"


def key_of(server: Live) -> PublicKey:
    found = server.send("GET", f"{CHECKPOINTS}/key").json()
    assert str(PublicKey.parse(found["pem"])) == found["key"]
    return PublicKey.parse(found["key"])


def test_a_checkpoint_is_made_once_for_each_head(server: Live) -> None:
    server.register(fresh())
    head = server.send("GET", "/api/v1/changes", params={"limit": 1}).json()["items"][0]
    made = server.send("POST", CHECKPOINTS)
    assert made.status_code == 201
    signed = made.json()
    assert (signed["commit"], signed["position"]) == (head["commit"], head["position"])
    again = server.send("POST", CHECKPOINTS)
    assert (again.status_code, again.json()) == (200, signed)
    line = canonical(signed)
    assert line in server.send("GET", f"{CHECKPOINTS}/file").content.splitlines()
    statement = read(line)
    assert key_of(server).valid(canonical(statement.statement.fields()), statement.signature)


def test_a_dry_run_signs_nothing(server: Live) -> None:
    server.register(fresh())
    before = server.send("GET", f"{CHECKPOINTS}/file").content
    foreseen = server.send("POST", CHECKPOINTS, params={"dry_run": "true"}).json()
    assert (foreseen["dry_run"], foreseen["nothing"]) == (True, False)
    assert "signature" not in foreseen
    assert server.send("GET", f"{CHECKPOINTS}/file").content == before
    server.send("POST", CHECKPOINTS)
    assert server.send("POST", CHECKPOINTS, params={"dry_run": "true"}).json()["nothing"]


def test_statements_come_page_by_page_newest_first(server: Live) -> None:
    made = []
    for _ in range(3):
        server.register(fresh())
        made.append(server.send("POST", CHECKPOINTS).json())
    seen: list[Any] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = server.send("GET", CHECKPOINTS, params=query).json()
        seen += page["items"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen[:3] == made[::-1]
    assert [each["sequence"] for each in seen] == list(range(page["count"], 0, -1))


# ------------------------------------------------------------ exports


def story(server: Live) -> tuple[str, str, str]:
    """A model that was deployed and then renamed: its name before and after, and the commit between."""
    name, later = fresh(), fresh()
    server.register(name)
    commit = server.send("POST", f"/models/{name}_v1/deploy", json={"reason": "*Now* <b>\n# it runs"})
    at = commit.headers["Muster-Commit"]
    server.send("DELETE", f"/api/v1/deployments/production/{name}", params={"wait": "true"})
    server.send("POST", f"/api/v1/models/{name}/rename", json={"name": later})
    return name, later, at


def test_the_audit_log_holds_what_the_list_of_changes_says(server: Live) -> None:
    story(server)
    items = server.send("GET", "/api/v1/changes", params={"limit": 1000}).json()["items"]
    lines = server.send("GET", AUDIT)
    assert lines.headers["content-type"] == "application/jsonl"
    assert lines.headers["Muster-Head"] == items[0]["commit"]
    assert [json.loads(line) for line in lines.text.splitlines()] == items
    rows = list(csv.DictReader(io.StringIO(server.send("GET", AUDIT, params={"format": "csv"}).text)))
    assert [row["commit"] for row in rows] == [each["commit"] for each in items]


def test_an_export_of_a_period_holds_that_period(server: Live) -> None:
    name, _, at = story(server)
    times = [
        server.send("GET", f"/api/v1/changes/{commit}").json()["time"]
        for commit in (at, server.send("GET", "/api/v1/changes").json()["items"][0]["commit"])
    ]
    query = {"since": times[0], "until": times[1], "model": name}
    kinds = [json.loads(line)["change"] for line in server.send("GET", AUDIT, params=query).text.splitlines()]
    assert kinds == ["undeploy", "deploy"]
    for wrong in ({"format": "xml"}, {"since": "yesterday"}, {"kind": "dance"}, {"at": "0" * 40}):
        assert server.http.get(AUDIT, params=wrong).status_code in (400, 404)


def test_a_changelog_goes_back_through_the_names_that_a_model_had(server: Live) -> None:
    name, later, at = story(server)
    log = server.send("GET", f"/api/v1/models/{later}/changelog").text
    assert log.startswith(f"# Changelog of {later}\n")
    assert log.index(f"Rename model {name} to {later}") < log.index(f"Register {name} v1")
    assert "  > \\*Now\\* \\<b\\>\n  > \\# it runs\n" in log
    then = server.send("GET", f"/api/v1/models/{name}/changelog", params={"at": at}).text
    assert f"Up to commit `{at}`" in then
    assert "Rename" not in then
    assert server.http.get(f"/api/v1/models/{fresh()}/changelog").status_code == 404
    assert server.http.get(f"/api/v1/models/{later}/changelog", params={"at": at}).status_code == 404


def test_the_same_commit_gives_the_same_bytes_from_another_clone_and_index(
    server: Live, tmp_path: Path
) -> None:
    name, _, at = story(server)
    paths = [
        f"{AUDIT}?at={at}",
        f"{AUDIT}?at={at}&format=csv&kind=deploy&kind=register",
        f"{AUDIT}?at={at}&model={name}&since=2020-01-01T00:00:00Z",
        f"/api/v1/models/{name}/changelog?at={at}",
    ]
    ours = [server.send("GET", path) for path in paths]
    signed = [server.send("GET", path.replace("?", "/signature?")).content for path in paths]
    for answer, line in zip(ours, signed, strict=True):
        said, signature = read_signature(line)
        assert list(said.differences([answer.content])) == []
        assert (said.commit, answer.headers["Muster-Head"]) == (at, at)
        assert key_of(server).valid(canonical(said.fields()), signature)
    server.register(fresh())  # what comes later changes nothing
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(server.home.settings.home / "registry.git", copy / "registry.git")
    (copy / "secrets").mkdir()
    shutil.copy(server.home.settings.home / "secrets" / "checkpoint-key.pem", copy / "secrets")
    with live(copy) as theirs:
        assert [theirs.send("GET", path).content for path in paths] == [each.content for each in ours]
        assert [theirs.send("GET", path.replace("?", "/signature?")).content for path in paths] == signed
