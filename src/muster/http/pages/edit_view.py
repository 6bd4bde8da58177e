"""What the pages show on which a model or a version is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from muster.domain.records import STAGES
from muster.http.pages import tag_fields
from muster.http.pages.forms import Posted
from muster.http.pages.labels import called
from muster.http.pages.page import Page
from muster.http.pages.reading import model_record, version_number, version_record, versions

_CHOICES: Final = 100


@dataclass(frozen=True, slots=True)
class EditView:
    """What is to be changed as it is, what was typed so far, and the commit that touched it last.

    `part` is the form that was sent, "" if none was; `typed` says what each form holds.
    """

    name: str
    label: str
    href: str
    here: str
    record: Mapping[str, Any]
    touched: str
    part: str
    typed: Mapping[str, str]
    tags: list[tuple[str, str]]
    aliases: list[tuple[str, str, str]]
    choices: list[str]
    stages: tuple[str, ...] = STAGES


def model_edit(page: Page, name: str, posted: Posted | None) -> EditView:
    """Of a model. Raises NotFound."""
    record = model_record(page, name)
    touched = "" if page.at else page.services.registry.model(name)[1]
    aliases = [
        (alias, label, page.to("m", name, label))
        for alias, number in sorted(record["aliases"].items())
        for label in [called(page.services.registry.index, name, number)]
    ]
    first = {
        "owner": record["owner"] or "",
        "description": record["description"],
        "card": record["card"] or "",
    }
    first |= {"alias": "", "version": page.query.get("version", ""), "new_name": name}
    return EditView(
        name=name,
        label="",
        href=page.to("m", name),
        here=page.to("edit", name),
        record=record,
        touched=touched,
        part=posted.text("part") if posted else "",
        typed=_typed(first, posted),
        tags=_tags(record, posted),
        aliases=aliases,
        choices=[each["version"] for each in versions(page, name, None, _CHOICES)],
    )


def version_edit(page: Page, model: str, version: str, posted: Posted | None) -> EditView:
    """Of a version. Raises NotFound."""
    number = version_number(page, model, version)
    record = version_record(page, model, number)
    touched = "" if page.at else page.services.registry.numbered(model, number).touched
    first = {"owner": record["owner"] or "", "description": record["description"]}
    first |= {"stage": record["deployment_status"], "archive_others": "", "message": ""}
    return EditView(
        name=model,
        label=record["version"],
        href=page.to("m", model, record["version"]),
        here=page.to("edit", model, record["version"]),
        record=record,
        touched=touched,
        part=posted.text("part") if posted else "",
        typed=_typed(first, posted),
        tags=_tags(record, posted),
        aliases=[],
        choices=[],
    )


def _tags(record: Mapping[str, Any], posted: Posted | None) -> list[tuple[str, str]]:
    if posted is None or posted.text("part") != "about":
        return tag_fields.rows(record["tags"])
    return tag_fields.typed(posted)


def _typed(first: Mapping[str, str], posted: Posted | None) -> dict[str, str]:
    """What each field holds: as it is, or as it was sent; a reason belongs to the form it came with."""
    if posted is None:
        return {**first, "reason": ""}
    sent = {name for name, _ in posted.fields}
    return {name: posted.text(name) if name in sent else value for name, value in first.items()} | {
        "reason": posted.text("reason")
    }
