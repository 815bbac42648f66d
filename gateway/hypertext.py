"""HTML -> lines of text with their links, as a reader sees them: nothing hidden, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import html
from lxml.etree import LxmlError, _Element

_BLOCKS = frozenset(
    {"address", "article", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt", "footer", "form", "h1", "h2"}
    | {"h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "table"}
    | {"tbody", "td", "tfoot", "th", "thead", "tr", "ul"}
)
_UNSEEN = frozenset({"script", "style", "head", "title", "meta", "link", "noscript", "template"})
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|max-height\s*:\s*0", re.IGNORECASE)
# Fillers behind a preheader, and other signs nobody sees.
_FILLER = re.compile("[\u034f\u200b\u200c\u200d\u2060\u00ad\ufeff\u2007]+")
_SPACE = re.compile(r"[\s\u00a0]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and the link it carries, if it is one."""

    text: str
    url: str | None = None


def lines_of(source: str) -> list[Line]:
    """The visible lines of a page; none where there is no page to be made of it."""
    if not source.strip():
        return []
    try:
        page = html.document_fromstring(source.encode("utf-8", "replace"), parser=html.HTMLParser(encoding="utf-8"))
    except (LxmlError, ValueError):
        return []
    return list(_lines(page))


def _lines(page: _Element) -> Iterator[Line]:
    text: list[str] = []
    url: str | None = None
    for piece, link, breaks in _pieces(page):
        if breaks:
            if line := _tidy("".join(text)):
                yield Line(line, url)
            text, url = [], None
        text.append(piece)
        url = url or (link if piece.strip() else None)
    if line := _tidy("".join(text)):
        yield Line(line, url)


def _pieces(page: _Element) -> Iterator[tuple[str, str | None, bool]]:
    """Text with the link it stands in, and whether a new line begins before it; without recursion, however deep."""
    stack: list[tuple[_Element, str | None, bool]] = [(page, None, False)]
    while stack:
        element, link, leaving = stack.pop()
        tag = element.tag if isinstance(element.tag, str) else None
        if leaving:
            yield element.tail or "", link, tag in _BLOCKS
            continue
        unseen = tag is None or tag in _UNSEEN or _HIDDEN.search(element.get("style") or "") is not None
        stack.append((element, link, True))
        if unseen:
            continue
        inner = element.get("href") or link if tag == "a" else link
        yield element.text or "", inner, tag in _BLOCKS
        stack.extend((child, inner, False) for child in reversed(element))


def _tidy(text: str) -> str:
    return _SPACE.sub(" ", _FILLER.sub("", text)).strip()
