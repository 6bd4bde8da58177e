"""Records and lists as tables for people. What is shown is text: no markup, no control characters."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from muster.client import Record

_GOOD = ("ready", "in sync")
_BAD = ("failed", "stopped", "drifted", "undeclared", "unknown")


def plain(text: str) -> str:
    """`text` without what could steer a terminal."""
    return "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t" else c for c in text
    )


def cell(value: Any) -> Text:
    """A value as a table shows it."""
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, str):
        return Text(plain(value))
    if isinstance(value, Mapping) and not any(isinstance(item, (Mapping, list)) for item in value.values()):
        return Text(plain("\n".join(f"{key}={written(item)}" for key, item in value.items())))
    if isinstance(value, Sequence) and not any(isinstance(item, (Mapping, list)) for item in value):
        return Text(plain(", ".join(written(item) for item in value)))
    return Text(plain(json.dumps(value, ensure_ascii=False)))


def written(value: Any) -> str:
    """A single value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def short_time(time: str | None) -> str | None:
    """An RFC 3339 time to the second."""
    return None if time is None else f"{time[:10]} {time[11:19]}Z"


# Columns that are kept on one line where the terminal is narrow; the others wrap.
_WHOLE = ("WHO", "COMMIT", "CHANGE", "VERSION", "SHA256", "SETTING")
_TIMES = ("SINCE", "TIME", "UPDATED", "REGISTERED")
_DATE = len("2026-11-24")  # a time that does not fit goes on two lines
_KEPT = 16  # characters of a word that a narrow terminal does not break
_GAP = 3  # characters between two columns


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> RenderableType:
    """A plain table, as wide as it needs or the terminal is."""
    shown = [[value if isinstance(value, Text) else cell(value) for value in row] for row in rows]
    return _Fitting([(name, [row[at] for row in shown]) for at, name in enumerate(columns)])


@dataclass(frozen=True, slots=True)
class _Fitting:
    """Columns by name. Rich alone would break the words of one column to spare those of another."""

    columns: Sequence[tuple[str, Sequence[Text]]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        room = options.max_width - _GAP * (len(self.columns) - 1) - 2
        for (name, _), width in zip(self.columns, self._widths(room), strict=True):
            made.add_column(name, overflow="fold", width=width)
        for row in zip(*(cells for _, cells in self.columns), strict=True):
            made.add_row(*row)
        yield made

    def _widths(self, room: int) -> list[int]:
        """What the columns need; where that is too much, the widest give way first, down to their words."""
        lines = [
            [name, *(line for text in cells for line in text.plain.split("\n"))]
            for name, cells in self.columns
        ]
        widths = [max(map(cell_len, column)) for column in lines]
        narrowest = [
            width
            if name in _WHOLE
            else min(_KEPT, max(cell_len(word) for line in column for word in line.split()))
            for (name, _), column, width in zip(self.columns, lines, widths, strict=True)
        ]
        while sum(widths) > room:
            spare = [at for at, width in enumerate(widths) if width > narrowest[at]]
            if not spare:
                narrowest = [1] * len(widths)  # no terminal for this: break what must be broken
                continue
            widest = max(spare, key=widths.__getitem__)
            is_time = self.columns[widest][0] in _TIMES
            widths[widest] = _DATE if is_time and widths[widest] > _DATE else widths[widest] - 1
            if max(widths) <= 1:
                break
        return widths


def fields(record: Mapping[str, Any], title: str | None = None) -> RenderableType:
    """A record, one field a line; what is empty is left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for key, value in record.items():
        if value not in (None, "", [], {}):
            made.add_row(key, cell(value))
    return Group(Text(plain(title), style="bold"), made) if title else made


def standing(status: Mapping[str, Any] | None) -> Text:
    """Declared against observed, in a word, its colour and a sentence."""
    if status is None:
        return Text("-", style="dim")
    word = str(status["standing"])
    style = "green" if word in _GOOD else "red" if word in _BAD else "yellow"
    text = Text(word, style=style)
    sentence = str(status.get("sentence") or "")
    if word not in _GOOD and sentence:
        text.append(plain(f": {sentence}"), style="")
    return text


def deployments(items: Sequence[Record], *, past: bool) -> RenderableType:
    """What runs where: since when, who, why, and whether it is healthy."""

    def health(item: Record) -> Text:
        if not past:
            return standing(item.get("status"))
        if reports := item.get("reports"):
            return cell("\n".join(map(_reported, reports)))
        seen = item.get("observed")
        return cell(seen and f"{seen.get('observed')} since {short_time(seen.get('time'))}")

    rows = [
        (
            item["environment"],
            item["model"],
            item["version"],
            *_declared(item),
            health(item),
        )
        for item in items
    ]
    last = "OBSERVED" if past else "HEALTH"
    return table(("ENVIRONMENT", "MODEL", "VERSION", "SINCE", "WHO", "WHY", last), rows)


def _reported(report: Mapping[str, Any]) -> str:
    """What an instance outside said last."""
    what = f"version {report['number']}" if report["number"] is not None else f"sha256:{report['digest']}"
    silent = "" if report["known"] else ", and was silent then"
    return f"{report['instance']}: {what} since {short_time(report['since'])}{silent}"


def workers(details: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Each worker of what runs here: its process, how it is, and what it answered."""
    rows = [
        (
            detail["environment"],
            instance["number"],
            worker["replica"],
            worker["process"],
            _worker(instance, worker),
            short_time(worker["ready_since"]),
            worker["requests"],
            worker["errors"],
            worker["latency_ms"].get("p50"),
            worker["latency_ms"].get("p99"),
            worker["restarts"],
        )
        for detail in details
        for instance in detail["instances"]
        for worker in instance["workers"]
    ]
    return table(
        (
            *("ENVIRONMENT", "NUMBER", "WORKER", "PROCESS", "STATE", "SINCE"),
            *("REQUESTS", "ERRORS", "P50 MS", "P99 MS", "RESTARTS"),
        ),
        rows,
    )


def _worker(instance: Mapping[str, Any], worker: Mapping[str, Any]) -> Text:
    """Its state in a word; why it does not run, and when it is tried again."""
    word = str(worker["health"])
    text = Text(word, style="green" if word in _GOOD else "red" if word in _BAD else "yellow")
    if word not in _GOOD and worker["reason"]:
        text.append(plain(f": {worker['reason']}"), style="")
    if worker["next_start"]:
        text.append(f"; next try at {short_time(worker['next_start'])}", style="")
    elif word in _GOOD and not instance["active"]:
        text.append(", finishes its requests" if instance["leaving"] else ", stands by", style="")
    return text


def _declared(item: Record) -> tuple[str | None, str | None, str | None]:
    """Since when, by whom and why; of what nobody declared, since when it runs."""
    by = item["by"]
    if item["number"] is None or by is None:
        return short_time((item.get("status") or {}).get("since")), None, None
    return short_time(by["time"]), by["actor"], by["reason"] or None


def changes(items: Sequence[Mapping[str, Any]], before: Mapping[str, Any] | None = None) -> RenderableType:
    """What happened, newest first, and of what was imported that nothing is known of the time before."""
    rows = [
        (short_time(i["time"]), i["actor"], i["change"], i["message"], i["reason"] or None, i["commit"][:10])
        for i in items
    ]
    if before is not None:
        made = f"Made {short_time(before['created_at'])}"
        where = f" at {before['imported_from']}" if before["imported_from"] else ""
        rows.append((None, "not recorded", None, f"{made}{where}; what happened until the import", None, ""))
    return table(("TIME", "WHO", "CHANGE", "WHAT", "WHY", "COMMIT"), rows)


def differences(items: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Fields before and after."""
    with_path = any(item.get("path") for item in items)
    columns = ("RECORD", "FIELD", "BEFORE", "AFTER") if with_path else ("FIELD", "BEFORE", "AFTER")
    rows = [
        (
            *((item["path"],) if with_path else ()),
            item["field"],
            _side(item["before"], "red"),
            _side(item["after"], "green"),
        )
        for item in items
    ]
    return table(columns, rows)


def _side(value: Any, style: str) -> Text:
    text = cell(value)
    if value is not None:
        text.stylize(style)
    return text


def preview(found: Mapping[str, Any]) -> RenderableType:
    """What a dry run says: the effect, the differences, the objections."""
    parts: list[RenderableType] = []
    if found["subject"]:
        parts.append(Text(plain(f"Would: {found['subject']}"), style="bold"))
    if found["nothing"]:
        parts.append(Text("Nothing would change."))
    if found["changes"]:
        parts.append(differences(found["changes"]))
    parts += [Text(plain(f"Then: {effect}.")) for effect in found["effects"]]
    parts += [Text(plain(f"Objection: {each['message']}"), style="red") for each in found["objections"]]
    parts.append(Text("Nothing was written (dry run).", style="dim"))
    return Group(*parts)
