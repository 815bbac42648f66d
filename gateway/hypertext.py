"""HTML -> lines of text with their links, as a reader sees them: nothing hidden, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import html
from lxml.etree import LxmlError, _Element

_BLOCKS = frozenset(
    {"address", "article", "blockquote", "body", "center", "dd", "div", "dl", "dt", "footer", "form", "h1", "h2", "h3"}
    | {"h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tbody"}
    | {"td", "tfoot", "th", "thead", "tr", "ul"}
)
_UNSEEN = frozenset({"script", "style", "head", "title", "meta", "link", "noscript", "template"})
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|max-height\s*:\s*0", re.IGNORECASE)
# Padding behind a preheader. One alone may be part of a word or an emoji, three in a row are nobody's.
_FILLERS = re.compile("(?: ?[\u034f\u200b\u200c\u200d\u2060\u00ad\ufeff]){3,} ?")
_SPACE = re.compile(r"[\s\u00a0\u2007]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and the link it carries, if it is one; an empty line parts paragraphs."""

    text: str
    url: str | None = None
    cell: int = 0  # lines of one table cell have the same number


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    url: str | None
    cell: int
    breaks: int  # line breaks before it; two begin a paragraph


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
    breaks, line = 0, Line("")
    for piece in _pieces(page):
        breaks = max(breaks, 2) if piece.breaks > 1 else breaks + piece.breaks
        if not piece.text.strip():
            text.append(piece.text if not breaks else "")
            continue
        if breaks and (tidy := _tidy("".join(text))):
            yield Line(tidy, line.url, line.cell)
            if breaks > 1:
                yield Line("")
        if breaks:
            text, line = [], Line("", cell=piece.cell)
        line = Line("", line.url or piece.url, line.cell)
        text.append(piece.text)
        breaks = 0
    if tidy := _tidy("".join(text)):
        yield Line(tidy, line.url, line.cell)


def _pieces(page: _Element) -> Iterator[_Piece]:
    """The page's text in reading order; without recursion, however deep it is nested."""
    cells = 0
    stack: list[tuple[_Element, str | None, int, bool]] = [(page, None, 0, False)]
    while stack:
        element, url, cell, leaving = stack.pop()
        tag = element.tag if isinstance(element.tag, str) else ""
        if leaving:
            yield _Piece(element.tail or "", url, cell, 2 if tag in _BLOCKS else 0)
            continue
        stack.append((element, url, cell, True))
        if not tag or tag in _UNSEEN or _HIDDEN.search(element.get("style") or ""):
            continue
        if tag in ("td", "th"):
            cells += 1
            cell = cells
        if tag == "a":
            url = element.get("href") or url
        yield _Piece(element.text or "", url, cell, 2 if tag in _BLOCKS else int(tag == "br"))
        stack.extend((child, url, cell, False) for child in reversed(element))


def _tidy(text: str) -> str:
    return _FILLERS.sub("", _SPACE.sub(" ", text)).strip()
