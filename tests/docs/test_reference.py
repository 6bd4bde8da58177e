"""The reference pages say what the program has, all of it and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muster.cli.exits import code_of
from muster.domain import changes, codec, errors, messages, records
from muster.http.problems import STATUS
from muster.settings import Settings, described, variable
from tests.markdown import DOCS, code, rows

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


def test_every_setting_is_listed_as_the_program_describes_it() -> None:
    listed = {row[0]: (row[1], row[3]) for row in rows(REFERENCE / "settings.md") if row[0] != "setting"}
    assert listed == {f"`{name}`": (f"`{variable(name)}`", about.text) for name, about in described().items()}


@pytest.mark.parametrize("row", [r for r in rows(REFERENCE / "settings.md") if r[0] != "setting"], ids=str)
def test_a_listed_default_is_the_default(row: list[str]) -> None:
    [name], said = code(row[0]), row[2]
    if name == "actor":
        return
    about, default = described()[name], getattr(Settings(), name)
    if said == "none":
        assert not default
    else:
        assert about.parse(code(said)[0]) == default


def test_every_kind_of_change_is_listed() -> None:
    text = (REFERENCE / "record-format.md").read_text()
    listed = code(text[text.index("The kinds of change:") :])
    assert listed == [kind.kind for kind in changes.Change.__subclasses__()]


def test_every_trailer_is_listed() -> None:
    entry = messages.Entry(
        "deploy", "subject", "", "actor", "none", records_time(), "m", 1, "production", (2,), "1",
        ("key", "digest"), "ready", "instance", "digest",
    )  # fmt: skip
    written = {line.partition(":")[0] for line in messages.compose(entry).splitlines() if "Muster-" in line}
    listed = {name for row in rows(REFERENCE / "record-format.md") for name in code(" ".join(row))}
    assert written == {name for name in listed if name.startswith("Muster-")}


def records_time() -> messages.datetime:
    return messages.datetime(2026, 1, 1, tzinfo=messages.UTC)


WHOLE = {
    "environments/<environment>.json": codec.environment_to_dict(records.FIRST_ENVIRONMENTS[0]),
    "models/<hh>/<name>/model.json": codec.model_to_dict(
        records.Model("m", 2, "owner", "text", {"k": "v"}, {"a": 1}, deleted=True)
    ),
    "models/<hh>/<name>/versions/<n>/version.json": codec.version_to_dict(
        records.Version(
            "m", 1, "v1", "m_v1", "final", "model", "text", "staging", "owner", {"k": "v"}, {"auc": 1.0},
            {"p": 1}, "data", {"commit": "c"}, ({"ref": "r"},), {"provider": "p"}, {"inputs": []}, (), True,
            {"created_at": "t"}, "digest",
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
