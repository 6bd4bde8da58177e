"""The port `Cards`: a model's card (Markdown, CommonMark) as a map from heading to text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from muster.domain.errors import Stale
from muster.domain.names import card_path

_REMEMBERED: Final = 1024  # cards
_markdown: Final = MarkdownIt("commonmark")

Read = Callable[[str], bytes | None]
"""Gives the file at a path of the repository as it is now."""


class MarkdownCards:
    """Reads each card once."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._sections = lru_cache(_REMEMBERED)(lambda _, text: sections(text))

    def sections(self, model: str, sha256: str) -> Mapping[str, str]:
        data = self._read(card_path(model)) or b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Stale(f"the card of {model} changes at this moment; try again")
        found: Mapping[str, str] = self._sections(sha256, data.decode())
        return found


def sections(text: str) -> dict[str, str]:
    """Each heading, without its marks, with what is below it up to the next of its level or above.

    Of headings that say the same the first counts; one inside a quotation or a list is none.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    tokens = _markdown.parse(text)
    headings = [
        (int(token.tag[1]), token.map[0], token.map[1], _said(tokens[at + 1]))
        for at, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    ]
    found: dict[str, str] = {}
    for at, (level, _, begin, said) in enumerate(headings):
        end = next((start for other, start, _, _ in headings[at + 1 :] if other <= level), len(lines))
        found.setdefault(said, "\n".join(lines[begin:end]).strip())
    return found


def _said(inline: Token) -> str:
    return "".join(each.content for each in inline.children or ()).strip()
