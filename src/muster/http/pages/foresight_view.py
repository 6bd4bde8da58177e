"""What a deployment, rollback or undeployment would do: its dry run, in the words of those who decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from muster.domain.approvals import RULE as APPROVALS
from muster.domain.changes import RollBack
from muster.domain.errors import Denied, MusterError, NotFound, NothingToRestore, UnderWay
from muster.domain.records import Config, Fields
from muster.domain.releasing import Part
from muster.http.pages.labels import called
from muster.http.pages.metrics_view import compared
from muster.http.pages.page import Page
from muster.http.pages.reading import version_record
from muster.http.pages.rendering import figure, size
from muster.http.pages.signature_view import tensors
from muster.service.past import field_changes
from muster.service.registry import Preview

MINUS: Final = "\N{MINUS SIGN}"
_METRICS: Final = 12  # rows at most; of files as well
# What to do about an objection, by its code; its message says what is wrong.
_REMEDY: Final = {
    "conflict": "Put that right first, then come back.",
    "denied": "Ask those who keep the rule.",
    "deployment_under_way": "Follow it, and decide again when it has ended.",
    "did_not_start": "Register the version anew, with whole files.",
    "invalid": "Change what is named.",
    "no_runtime": "Choose a runtime that reads its files, or register it with files that one reads.",
    "not_deployed": "Look at what is there now.",
    "not_found": "It may have been deleted meanwhile: choose another.",
    "nothing_to_restore": "To take it out of service all the same, undeploy it.",
    "stale": "What is there now is shown here: look, then decide again.",
    "unavailable": "Try again in a moment.",
}


@dataclass(frozen=True, slots=True)
class Running:
    """A version as it runs or would run somewhere."""

    number: int
    config: Config


@dataclass(frozen=True, slots=True)
class Row:
    """What, now, then, so. `verdict` is a word that comes first in `so`, with its shape."""

    what: str
    now: str
    then: str
    so: str
    verdict: str = ""
    shape: str = ""
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """What stands against it, what to do, and where."""

    message: str
    remedy: str
    code: str
    href: str = ""
    verb: str = ""

    @property
    def waits(self) -> bool:
        """Whether others can approve it, so that it may be asked for."""
        return self.code == APPROVALS


@dataclass(frozen=True, slots=True)
class Foresight:
    """The effect of one change. `told` says what would happen where versions run."""

    rows: list[Row]
    unchanged: list[str]
    told: Sequence[str]
    objections: list[Objection]
    nothing: bool

    @property
    def waits(self) -> bool:
        """Whether it takes the approval of others, and nothing else stands against it."""
        return bool(self.objections) and all(each.waits for each in self.objections)


def foreseen(
    page: Page, change: Part, now: Running | None, then: Running | None, reason: str = ""
) -> Foresight:
    """The dry run of `change`, which puts `then` in the place of `now`. Blocks: files may be read."""
    preview = page.services.deployer.preview(change, page.visitor.actor, reason)
    return Foresight(
        rows=[
            *_version(page, change, now, then),
            *_stages(page, change, preview),
            *_content(page, change, now, then),
        ]
        + (_configs(change, now, then) if then else []),
        unchanged=_unchanged(page, change.model, now, then),
        told=preview.effects,
        objections=[objection(page, change, each) for each in preview.objections],
        nothing=preview.nothing and not preview.objections,
    )


def objection(page: Page, change: Part, error: MusterError) -> Objection:
    """What stands against it, with what to do."""
    href, verb = "", ""
    match error:
        case UnderWay():
            href, verb = page.to("operation", error.operation), "Follow it"
        case NothingToRestore():
            href, verb = page.to("undeploy", change.model, change.environment), "Undeploy it instead"
        case MusterError() if "pending" in error.message:
            number = getattr(change, "number", None)
            if number is not None:
                href = page.to(
                    "register", change.model, called(page.services.registry.index, change.model, number)
                )
                verb = "Its files"
    if isinstance(error, Denied) and error.objections:
        rule = error.objections[0]
        remedy = f"{rule.help[:1].upper()}{rule.help[1:]}." if rule.help else ""
        return Objection(rule.message, remedy, rule.rule, href, verb)
    kinds = (kind.code for kind in type(error).__mro__ if issubclass(kind, MusterError))
    remedy = next((_REMEDY[code] for code in kinds if code in _REMEDY), "")
    return Objection(error.message, remedy, error.code, href, verb)


def _version(page: Page, change: Part, now: Running | None, then: Running | None) -> list[Row]:
    if now is not None and then is not None and now.number == then.number:
        return []
    index = page.services.registry.index
    was = called(index, change.model, now.number) if now else ""
    becomes = called(index, change.model, then.number) if then else ""
    if now is None:
        so = "nothing of it is there now"
    elif then is None:
        so = "nothing of it answers there any more"
    else:
        apart = abs(then.number - now.number)
        so = f"{apart} {'newer' if then.number > now.number else 'older'} than what is there"
    return [Row("Version", was, becomes, so, mono=True)]


def _stages(page: Page, change: Part, preview: Preview) -> list[Row]:
    """The labels that follow the deployment."""
    rows = []
    for each in field_changes(preview.edits):
        if each.field != "stage" or "/versions/" not in each.path:
            continue
        number = int(each.path.split("/")[-2])
        label = called(page.services.registry.index, change.model, number)
        rows.append(
            Row(
                f"Stage of {label}", each.before or "", each.after or "", "a label; it follows the deployment"
            )
        )
    return rows


def _record(page: Page, model: str, running: Running | None) -> Mapping[str, Any] | None:
    if running is None:
        return None
    try:
        return version_record(page, model, running.number)
    except NotFound:  # among the objections
        return None


def _content(page: Page, change: Part, now: Running | None, then: Running | None) -> list[Row]:
    """Where the two versions differ in what they are."""
    ours, theirs = _record(page, change.model, then), _record(page, change.model, now)
    if ours is None or theirs is None or now == then:
        return []
    rows = []
    for metric in compared(ours["metrics"], theirs["metrics"])[:_METRICS]:
        if not metric.change:
            was, becomes = ("" if value is None else figure(value) for value in (metric.theirs, metric.ours))
            so = "not measured before" if metric.theirs is None else "not measured for it"
            rows.append(Row(metric.name, was, becomes, so))
        elif metric.it_is != "same" and metric.ours is not None and metric.theirs is not None:
            by = f"by {metric.change.lstrip(f'+{MINUS}')}"
            shape = {"up": "ready", "down": "drifted"}.get(metric.bar, "")
            rows.append(Row(metric.name, figure(metric.theirs), figure(metric.ours), by, metric.it_is, shape))
    rows += _training(theirs["training_data"], ours["training_data"])
    rows += _files(theirs["files"], ours["files"])
    if (theirs["signature"] or {}) != (ours["signature"] or {}):
        told = [_signature(each["signature"]) for each in (theirs, ours)]
        so = "callers may have to send or read something else" if all(told) else ""
        rows.append(Row("Signature", told[0], told[1], so))
    return rows


def _training(was: Any, becomes: Any) -> list[Row]:
    if was == becomes:
        return []
    so = "other data"
    counts = [data.get("rows") if isinstance(data, dict) else None for data in (was, becomes)]
    if counts[0] is not None and counts[1] is not None:
        apart = counts[1] - counts[0]
        so = f"{'+' if apart >= 0 else MINUS}{abs(apart):,} rows"
    return [Row("Training data", _data(was), _data(becomes), so)]


def _data(data: Any) -> str:
    if not isinstance(data, dict):
        return str(data or "")
    digest = f"sha256 {data['sha256'][:12]}…" if "sha256" in data else "a data set"
    name = data.get("name") or data.get("uri") or digest
    rows = f", {data['rows']:,} rows" if "rows" in data else ""
    others = f" and {len(data['others'])} more" if data.get("others") else ""
    return f"{name}{rows}{others}"


def _files(was: Sequence[Mapping[str, Any]], becomes: Sequence[Mapping[str, Any]]) -> list[Row]:
    old, new = ({file["path"]: file for file in files} for files in (was, becomes))
    rows = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before and after and before["sha256"] == after["sha256"]:
            continue
        said = ["" if file is None else f"{file['sha256'][:12]}…" for file in (before, after)]
        if before and after:
            so = f"{size(after['size'])}, other content"
        else:
            so = f"{size(after['size'])}, new" if after else "not part of it"
        rows.append(Row(path, said[0], said[1], so, mono=True))
    if (more := len(rows) - _METRICS) > 0:
        rows[_METRICS:] = [Row("Other files", "", "", f"{more} more differ")]
    return rows


def _signature(signature: Mapping[str, Any] | None) -> str:
    parts = [
        ", ".join(f"{each.name} {each.dtype} {each.shape}" for each in tensors(signature or {}, kind))
        for kind in ("inputs", "outputs")
    ]
    return " → ".join(parts) if any(parts) else ""


# ------------------------------------------------------------ how it runs


def settings(config: Config) -> dict[str, str]:
    """A configuration, name by name, in words."""
    said = {
        "Processes": str(config.replicas),
        "Threads each": str(config.threads),
        "Timeout": f"{config.timeout_s:g} s",
        "Runtime": config.runtime or "recognised from the files",
    }
    return said | {f"Variable {name}": variable(value) for name, value in sorted(config.env.items())}


def variable(value: str | Fields) -> str:
    """The value of a variable; a secret's says only where it is."""
    return value if isinstance(value, str) else f"secret, from {value['from']}"


def _configs(change: Part, now: Running | None, then: Running) -> list[Row]:
    becomes = settings(then.config)
    was = settings(now.config) if now else {}
    plain = settings(Config())
    rows = []
    for name in sorted(was.keys() | becomes.keys(), key=[*becomes, *was].index):
        before, after = was.get(name, ""), becomes.get(name, "")
        if before == after or (now is None and after == plain.get(name)):
            continue
        so = "as it ran here then" if isinstance(change, RollBack) else "set in this form"
        rows.append(Row(name, before, after, so if after else "not set any more"))
    return rows


def _unchanged(page: Page, model: str, now: Running | None, then: Running | None) -> list[str]:
    """What stays, among what people ask about."""
    if now is None or then is None:
        return []
    ours, theirs = _record(page, model, then), _record(page, model, now)
    same = []
    if now.number == then.number:
        same.append("the version and its files")
    elif ours is not None and theirs is not None:
        if (theirs["signature"] or {}) == (ours["signature"] or {}) and ours["signature"]:
            same.append("signature")
        kept = {(f["path"], f["sha256"]) for f in theirs["files"]} & {
            (f["path"], f["sha256"]) for f in ours["files"]
        }
        same += sorted(path for path, _ in kept)[:_METRICS]
        same += [name for name, value in theirs["metrics"].items() if ours["metrics"].get(name) == value]
        if ours["training_data"] == theirs["training_data"] and ours["training_data"]:
            same.append("training data")
    was = settings(now.config)
    same += [name.lower() for name, value in settings(then.config).items() if was.get(name) == value]
    return same
