"""A registration, as the fields of a form: read, and checked by the domain's own parser."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from muster.domain.changes import RegisterVersion
from muster.domain.errors import Invalid
from muster.domain.registering import registration
from muster.http.pages.configuring import number, twice
from muster.http.pages.forms import TOKEN, Posted
from muster.service.submissions import Request

# The names of the fields are those of the API, so that what is wrong stands beside its field.
PLAIN: Final = ("name", "version", "description", "owner")
DATA: Final = ("name", "uri", "sha256", "rows")
SOURCE: Final = ("repository", "commit", "run_url")
BASE: Final = ("ref", "relation")
PAIRS: Final = ("metrics", "tags", "params")
_KEY: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form: texts by the name of the field, and rows of names and values."""

    texts: Mapping[str, str] = field(default_factory=dict)
    pairs: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    files: bool = True
    reason: str = ""
    key: str = ""

    def text(self, name: str) -> str:
        """What was typed there; "" if nothing."""
        return self.texts.get(name, "")

    def rows(self, part: str) -> Sequence[tuple[str, str]]:
        """The rows of `metrics`, `tags` or `params`."""
        return self.pairs.get(part, ())

    def parsed(self) -> tuple[RegisterVersion, str]:
        """The change and the reason. Raises Invalid with every problem, by the names of the fields."""
        problems = [each for part in PAIRS for each in twice(part, [name for name, _ in self.rows(part)])]
        try:
            change, reason = registration(self._body(), strict=False)
        except Invalid as invalid:
            raise Invalid([*problems, *invalid.problems]) from None
        if problems:
            raise Invalid(problems)
        return change, reason

    def _body(self) -> dict[str, Any]:
        """As the API would be sent it; empty fields are left out."""
        body: dict[str, Any] = {name: text for name in PLAIN if (text := self.text(name).strip())}
        body["name"] = self.text("name")
        body["pending"] = self.files
        data: dict[str, object] = dict(self._some("training_data", DATA))
        if "rows" in data:
            data["rows"] = number(str(data["rows"]).replace(",", ""))
        base = self._some("bases[0]", BASE)
        found = {
            "training_data": data,
            "source": self._some("source", SOURCE),
            "bases": [base] if base else [],
            "metrics": {name: number(value) for name, value in self.rows("metrics")},
            "tags": dict(self.rows("tags")),
            "params": {name: number(value) for name, value in self.rows("params")},
            "reason": self.reason,
        }
        return body | {name: value for name, value in found.items() if value}

    def _some(self, part: str, names: Sequence[str]) -> dict[str, str]:
        return {name: text for name in names if (text := self.text(f"{part}.{name}").strip())}

    def request(self) -> Request | None:
        """The idempotency key: the same form sent twice registers once, a changed one anew."""
        if not _KEY.fullmatch(self.key):
            return None
        said = repr((sorted(self.texts.items()), sorted(self.pairs.items()), self.files, self.reason))
        digest = hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()
        return Request(f"{self.key}-{digest[:16]}", digest)


def typed(posted: Posted) -> Typed:
    """What was posted; rows without name and value are left out."""
    known = {f"{part}_{of}" for part in PAIRS for of in ("name", "value")} | {TOKEN, "files", "reason", "key"}
    return Typed(
        texts={name: value for name, value in posted.fields if name not in known},
        pairs={part: _rows(posted, part) for part in PAIRS},
        files=posted.text("files", "yes") == "yes",
        reason=posted.text("reason"),
        key=posted.text("key"),
    )


def _rows(posted: Posted, part: str) -> list[tuple[str, str]]:
    both = zip(posted.all(f"{part}_name"), posted.all(f"{part}_value"), strict=False)
    return [(name.strip(), value) for name, value in both if name.strip() or value.strip()]
