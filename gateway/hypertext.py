"""HTML -> lines of text with their links, as a reader sees them: nothing hidden, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gateway.mail import printable

_BLOCKS = frozenset(
    {"address", "article", "blockquote", "body", "center", "dd", "div", "dl", "dt", "footer", "form", "h1", "h2", "h3"}
    | {"h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tbody"}
    | {"td", "tfoot", "th", "thead", "tr", "ul"}
)
_CELLS = frozenset({"td", "th"})
_UNSEEN = frozenset({"script", "style", "head", "title", "meta", "link", "noscript", "template"})
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|max-height\s*:\s*0")
_HINTS = ("none", "hidden", "mso-hide", "max-height")  # looked for first: the pattern takes most of a page's time
# Padding behind a preheader. One alone may be part of a word or an emoji, three in a row are nobody's.
_FILLERS = re.compile("(?: ?[\u034f\u200b\u200c\u200d\u2060\u00ad\ufeff]){3,} ?")
_SPACE = re.compile(r"[\s\u00a0\u2007]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and the link it carries, if it is one; an empty line parts paragraphs."""

    text: str
    url: str | None = None
    cell: int = 0  # lines of one table cell have the same number


class _Piece(NamedTuple):
    texts: list[str]  # as the parser hands them out, for some pages letter by letter
    url: str | None
    cell: int
    breaks: int  # line breaks before it; two begin a paragraph


def lines_of(source: str) -> list[Line]:
    """The visible lines of a page; none where there is no page to be made of it."""
    if not source.strip():
        return []
    from lxml import etree  # 5 MB, and a mail whose text tells all does without

    reader = _Reader()
    try:
        # The stubs want targets to take bytes, too; of a text they get text.
        parser = etree.HTMLParser(target=reader, encoding="utf-8")  # type: ignore[arg-type]
        etree.fromstring(source.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError):
        return []
    return list(_lines(reader.pieces))


def _lines(pieces: Iterable[_Piece]) -> Iterator[Line]:
    text: list[str] = []
    breaks, line = 0, Line("")
    for piece in pieces:
        breaks = max(breaks, 2) if piece.breaks > 1 else breaks + piece.breaks
        words = "".join(piece.texts)
        if not words.strip():
            text.append(words if not breaks else "")
            continue
        if breaks and (tidy := _tidy("".join(text))):
            yield Line(tidy, line.url, line.cell)
            if breaks > 1:
                yield Line("")
        if breaks:
            text, line = [], Line("", cell=piece.cell)
        line = Line("", line.url or piece.url, line.cell)
        text.append(words)
        breaks = 0
    if tidy := _tidy("".join(text)):
        yield Line(tidy, line.url, line.cell)


class _Reader:
    """Takes the page as the parser meets it: no tree is built, and no depth of nesting matters."""

    def __init__(self) -> None:
        self.pieces: list[_Piece] = []
        self._hidden = 0  # elements we are in since one that is not seen
        self._breaks = 0
        self._urls: list[str | None] = [None]
        self._cells, self._cell = 0, [0]
        self._hiding: dict[str, bool] = {}  # pages say the same few styles over and over

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._hidden or tag in _UNSEEN or (attributes and self._hides(attributes.get("style", ""))):
            self._hidden += 1
            return
        self._break(tag)
        if tag == "a":
            self._urls.append(attributes.get("href") or self._urls[-1])
        elif tag in _CELLS:
            self._cells += 1
            self._cell.append(self._cells)

    def end(self, tag: str) -> None:
        if self._hidden:
            self._hidden -= 1
            return
        if tag == "a":
            self._urls.pop()
        elif tag in _BLOCKS:
            self._breaks = 2
            if tag in _CELLS:
                self._cell.pop()

    def data(self, text: str) -> None:
        if self._hidden or (self._breaks and not text.strip()):
            return  # white space at the end of a line; pages are padded with thousands of it
        url, cell = self._urls[-1], self._cell[-1]
        if self.pieces and not self._breaks and self.pieces[-1][1:3] == (url, cell):
            self.pieces[-1].texts.append(text)
            return
        self.pieces.append(_Piece([text], url, cell, self._breaks))
        self._breaks = 0

    def comment(self, text: str) -> None:
        """Comments are not seen, those for one mail program least of all."""

    def close(self) -> None:
        """The parser wants it; there is nothing to hand over."""

    def _hides(self, style: str) -> bool:
        if style not in self._hiding:
            self._hiding[style] = _hides(style)
        return self._hiding[style]

    def _break(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._breaks = 2
        elif tag == "br":
            self._breaks += 1


def _hides(style: str) -> bool:
    lowered = style.lower()
    return any(hint in lowered for hint in _HINTS) and _HIDDEN.search(lowered) is not None


def _tidy(text: str) -> str:
    return printable(_FILLERS.sub("", _SPACE.sub(" ", text)).strip())
