"""The reference pages say what the program has, all of it and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from muster import ModelRegistry
from muster.bootstrap import open_home
from muster.bootstrap.server import application
from muster.cli.exits import EXIT, code_of
from muster.cli.inprocess import URL, InProcess
from muster.domain import changes, codec, errors, messages, records, rules
from muster.http.problems import STATUS
from muster.settings import load
from tests.markdown import DOCS, code, rows
from tools.reference import WRITTEN, page

REFERENCE = DOCS / "reference"


def tree(root: type[errors.MusterError]) -> Iterator[type[errors.MusterError]]:
    yield root
    for leaf in root.__subclasses__():
        yield from tree(leaf)


def test_every_error_is_listed_with_its_status_and_exit_code() -> None:
    listed = {row[0]: row[1:4] for row in rows(REFERENCE / "errors.md") if row[0] != "code"}
    there = {}
    for kind in tree(errors.MusterError):
        status = next(STATUS[cls] for cls in kind.__mro__ if cls in STATUS)
        there[f"`{kind.code}`"] = [f"`{kind.__name__}`", str(status), str(code_of(kind))]
    assert listed == there


@pytest.mark.parametrize("name", WRITTEN)
def test_a_written_page_is_up_to_date(name: str) -> None:
    now, due = (REFERENCE / name).read_text(), page(name)
    assert now == due, "run .venv/bin/python tools/reference.py"


def test_every_exit_code_is_listed() -> None:
    listed = {int(row[0]) for row in rows(REFERENCE / "cli.md") if row[0].isdecimal()}
    assert listed == {0, *EXIT.values()}


def test_every_metric_is_listed_with_its_type_and_labels(tmp_path: Path) -> None:
    with ModelRegistry(tmp_path / "registry") as registry:
        registry.deploy(registry.register_model("m", "v1", "A test", "data"))
    with (
        open_home(load({"home": str(tmp_path / "registry")}, environment={})) as home,
        httpx.Client(base_url=URL, transport=InProcess(application(home))) as client,
    ):
        client.get("/healthz")
        text = client.get("/metrics").text
    families = list(text_string_to_metric_families(text))
    there = {family.name + "_total" * (family.type == "counter"): family for family in families}
    listed = {code(row[0])[0]: row for row in rows(REFERENCE / "metrics.md") if row[0] != "metric"}
    assert set(listed) == set(there)
    for name, family in there.items():
        assert listed[name][1] == family.type
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels <= set(code(listed[name][2]))


def test_every_kind_of_change_is_listed() -> None:
    text = (REFERENCE / "record-format.md").read_text()
    listed = code(text[text.index("The kinds of change:") :])
    assert sorted(listed) == sorted(changes.KINDS)


def test_every_trailer_is_listed() -> None:
    entry = messages.Entry(
        "deploy", "subject", "", "actor", "none", datetime(2026, 1, 1, tzinfo=UTC), "m", 1, "production",
        (2,), "1", ("key", "digest"), "ready", "instance", "digest", "before",
        ("access/x",), "p1", "break-glass", (messages.Moved("n", 3, (2,), "3"),),
    )  # fmt: skip
    written = {line.partition(":")[0] for line in messages.compose(entry).splitlines() if "Muster-" in line}
    listed = {name for row in rows(REFERENCE / "record-format.md") for name in code(" ".join(row))}
    assert written == {name for name in listed if name.startswith("Muster-")}


WHOLE = {
    "environments/<environment>.json": codec.environment_to_dict(
        records.Environment("production", rules=rules.EnvironmentRules(reason=True))
    ),
    "models/<hh>/<name>/model.json": codec.model_to_dict(
        records.Model("m", 2, "owner", "text", {"k": "v"}, {"a": 1}, "0" * 64, True, {"created_at": "t"})
    ),
    "models/<hh>/<name>/versions/<n>/version.json": codec.version_to_dict(
        records.Version(
            "m", 1, "v1", "m_v1", "final", "model", "text", "staging", "owner", {"k": "v"}, {"auc": 1.0},
            {"p": 1}, "data", {"commit": "c"}, ({"ref": "r"},), {"provider": "p"}, {"inputs": []}, (), True,
            {"created_at": "t"}, "digest", True,
        )
    ),
    "deployments/<environment>/<hh>/<name>.json": codec.deployment_to_dict(
        records.Deployment("production", "m", 1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", WHOLE)
def test_every_field_of_a_record_is_listed(path: str) -> None:
    [said] = [row[1] for row in rows(REFERENCE / "record-format.md") if code(row[0]) == [path]]
    assert sorted(code(said)) == sorted(WHOLE[path])


def test_the_record_format_has_the_number_of_the_page() -> None:
    assert (REFERENCE / "record-format.md").read_text().startswith(f"# Record format {codec.FORMAT}\n")
