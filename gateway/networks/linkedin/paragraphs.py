"""A mail's text or page as paragraphs of lines with their links, the same for both."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.hypertext import Line, lines_of
from gateway.networks.linkedin import links

Paragraph = tuple[Line, ...]

_LONGEST_LINK = 4096  # characters; LinkedIn's have a few hundred
_ACCEPT_LABEL = "Accept invitation from "  # the buttons of 2009 to 2012: these words, the link on the next line


def text_lines(text: str) -> list[Line]:
    """The lines of a text, each with the link at its end taken off."""
    return [_text_line(line.strip()) for line in text.split("\n")]


def page_lines(page: str) -> list[Line]:
    """The lines of a page with the mail's own links, without its head, which holds the recipient's name and profile."""
    lines = [line if line.url and _is_own(line.url) else Line(line.text, None, line.cell) for line in lines_of(page)]
    return [line for line in lines if not (line.url and links.is_recipients(line.url))]


def paragraphs_of(lines: Sequence[Line]) -> list[Paragraph]:
    """What stands between empty lines."""
    found: list[list[Line]] = [[]]
    for line in lines:
        if line.text or line.url:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [tuple(paragraph) for paragraph in found if paragraph]


def button_of(paragraph: Paragraph) -> Line | None:
    """The link of a paragraph that is nothing but a button, its words on the same line or on the one above."""
    link = paragraph[-1]
    if link.url is None or not (links.is_button(link.url) or paragraph[0].text.startswith(_ACCEPT_LABEL)):
        return None
    if len(paragraph) == 1:
        return link
    # Two lines and words before the link are a block whose headline ends in a link.
    return Line(paragraph[0].text, link.url) if len(paragraph) == 2 and not link.text else None


def stands_alone(button: Line) -> bool:
    """Whether no button for the inviter's profile stands beside it: for guests, and for all until 2012."""
    return button.text.startswith(_ACCEPT_LABEL) or links.is_guests(button.url or "")


def is_accept(button: Line) -> bool:
    """Whether the button is the one that accepts."""
    return button.text.startswith(_ACCEPT_LABEL) or links.accepts(button.url or "")


def written(line: Line) -> str:
    """A line of a text as it was written, its link put back."""
    return line.text + (line.url or "")


def _text_line(text: str) -> Line:
    link = next(iter(text.rsplit(None, 1)[-1:]), "")
    is_link = link.startswith(("http://", "https://")) and len(link) <= _LONGEST_LINK
    return Line(text.removesuffix(link), link) if is_link else Line(text)


def _is_own(url: str) -> bool:
    return len(url) <= _LONGEST_LINK and links.is_mails_own(url)
