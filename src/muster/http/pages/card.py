"""Markdown → HTML that can do no harm: no script, no style, no frame, nothing loaded from elsewhere."""

from __future__ import annotations

from typing import Final

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

_markdown = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"])
_TEXT: Final = {"a", "abbr", "b", "br", "code", "del", "em", "i", "ins", "kbd", "s", "strong", "sub", "sup"}
_BLOCKS: Final = {"blockquote", "dd", "dl", "dt", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
_TABLES: Final = {"table", "tbody", "td", "th", "thead", "tr"}
_ATTRIBUTES: Final[dict[str, set[str]]] = {"a": {"href", "title"}, "abbr": {"title"}, "ol": {"start"}}
_SCHEMES: Final = {"http", "https", "mailto"}
_DEEPEST: Final = 6


def card(text: str) -> Markup:
    """The card as part of a page, whose own headings are above all of the card's."""
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(_DEEPEST, int(token.tag[1]) + 2)}"
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    return Markup(  # noqa: S704  it was cleaned just now
        nh3.clean(
            html,
            tags=_TEXT | _BLOCKS | _TABLES,
            attributes=_ATTRIBUTES,
            url_schemes=_SCHEMES,
            link_rel="noopener noreferrer nofollow",
        )
    )
