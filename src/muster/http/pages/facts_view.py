"""What is known of a version, field by field, with who set it and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from muster.domain.errors import NotFound
from muster.http.pages.labels import called
from muster.http.pages.page import Mark, Page
from muster.http.pages.rendering import figure
from muster.service.blame import FILES, Blame


@dataclass(frozen=True, slots=True)
class Fact:
    """A field: its text, which leads to `href` if that is not empty, and what stands after it."""

    name: str
    text: str
    mark: Mark | None
    href: str = ""
    after: str = ""
    sha256: str = ""


def facts(page: Page, record: Mapping[str, Any], said: Blame) -> list[Fact]:
    """All that the record says, in the order in which people ask for it."""

    def mark(field: str) -> Mark | None:
        by = said.of(field)
        return page.mark(by) if by else None

    found = [
        Fact("Description", record["description"], mark("description")),
        Fact("Stage", record["deployment_status"], mark("stage")),
    ]
    if record["owner"]:
        found.append(Fact("Owner", record["owner"], mark("owner"), page.to(owner=record["owner"])))
    found += [Fact(key, value, mark(f"tags.{key}")) for key, value in sorted(record["tags"].items())]
    found += _training_data(record["training_data"], mark("training_data"))
    found += _source(record["source"], mark("source"))
    found += [_base(page, base, mark("bases")) for base in record["bases"]]
    if record["params"]:
        text = ", ".join(f"{key} = {_plain(value)}" for key, value in sorted(record["params"].items()))
        found.append(Fact("Parameters", text, mark("params")))
    if external := record.get("external"):
        text = ", ".join(str(value) for value in external.values())
        found.append(Fact("Runs at", text, mark("external")))
    if record["files"]:
        count = len(record["files"])
        found.append(Fact("Files", f"{count} {'file' if count == 1 else 'files'}", mark(FILES), "#files"))
    if record.get("imported"):
        found.append(Fact("Imported", record.get("imported_from", "from a file"), mark("imported")))
        found.append(Fact("Before that", f"not recorded (it was made {record['created_at'][:10]})", None))
    return [fact for fact in found if fact.text]


def _training_data(data: Any, mark: Mark | None) -> Iterator[Fact]:
    if isinstance(data, str):
        yield Fact("Training data", data, mark)
    elif data:
        rows = f", {data['rows']:,} rows" if "rows" in data else ""
        uri = data.get("uri", "")
        name = data.get("name") or uri or "a data set"
        yield Fact("Training data", name, mark, _web(uri), rows, data.get("sha256", ""))


def _source(source: Mapping[str, Any] | None, mark: Mark | None) -> Iterator[Fact]:
    if not source:
        return
    repository, commit = source.get("repository", ""), source.get("commit", "")
    after = f" at {commit[:10]}" if commit and repository else ""
    if "dirty" in source:
        after += ", with changes that were not committed" if source["dirty"] else ", clean work tree"
    if repository or commit:
        yield Fact("Source", repository or commit, mark, _web(repository), after)
    if run := source.get("run_url"):
        yield Fact("Training run", run, mark, _web(run))


def _base(page: Page, base: Mapping[str, Any], mark: Mark | None) -> Fact:
    after = f", {base['relation']}" if "relation" in base else ""
    if "ref" not in base:
        return Fact("Built on", base["uri"], mark, _web(base["uri"]), after, base.get("digest", ""))
    try:
        found = page.services.registry.locate(base["ref"])
    except NotFound:
        return Fact("Built on", base["ref"], mark, after=after)
    label = called(page.services.registry.index, found.model, found.number)
    href = page.to("m", found.model, label)
    return Fact("Built on", f"{found.model} {label}", mark, href, after, base.get("digest", ""))


def _web(uri: str) -> str:
    """`uri` if a browser may follow it."""
    return uri if uri.startswith(("https://", "http://")) else ""


def _plain(value: Any) -> str:
    return figure(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
