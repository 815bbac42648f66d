"""Where things stand in an invitation: the inviter's block, the note, the buttons and the frame.

A note may hold anything, also lines that look like the mail around it. So nothing is looked for; it is reckoned from
the buttons, which the inviter cannot move: what stands right above them is the block, what stands above that the note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.hypertext import Line, lines_of
from gateway.mail import plain
from gateway.networks.linkedin import links, words

Paragraph = tuple[Line, ...]

_ACCEPT_LABEL = "Accept invitation from "  # the buttons of 2009 to 2012: these words, the link on the next line
_SIGNED = re.compile(r"[-–] ?(?P<name>.*)")
_NAMED = re.compile(r"From (?P<name>.{2,80}?) \((?P<headline>.+)\)")
_GREETING = re.compile(r"\S+(?: \S+)?\s?[,:!]")


@dataclass(frozen=True, slots=True)
class Layout:
    """An invitation taken apart."""

    name: str | None
    headline: str | None
    note: str | None
    buttons: tuple[str, ...]  # where they lead to
    frame: str  # LinkedIn's own words
    given_name: str | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    above: Sequence[Paragraph]  # lead-in and note
    block: Paragraph | None
    buttons: tuple[Line, ...]
    frame: Sequence[Paragraph]


def layout_of(text: str, page: str, called: str | None) -> Layout | None:
    """The layout of a mail's text, or failing that of its page; None where it has no buttons to reckon from.

    `called` is the inviter's name as the header has it.
    """
    parts = _text_parts(_text_lines(text), called) or _page_parts(_page_lines(page), called)
    return _read(parts, called) if parts else _list_entry(text, page)


def _read(parts: _Parts, called: str | None) -> Layout:
    note, frame = _without_lead_in(parts.above, called)
    signed: str | None = None
    if parts.block is None and not any(links.is_old_style(line.url or "") for line in parts.buttons):
        note, signed = _unsigned(note, called)
    block = [plain(line.text) for line in parts.block or () if not words.is_in_common(plain(line.text))]
    name = (block[0] if block else None) or called
    frame = (*frame, *parts.buttons, *(line for paragraph in parts.frame for line in paragraph))
    return Layout(
        name=name,
        headline=block[1] if len(block) > 1 else None,
        note="\n\n".join("\n".join(map(_written, paragraph)) for paragraph in note) or None,
        buttons=tuple(line.url for line in parts.buttons if line.url),
        frame="\n".join(line.text for line in frame),
        given_name=signed if signed and name and name.startswith(signed) and name != signed else None,
    )


def _written(line: Line) -> str:
    if line.url is None:
        return line.text
    return f"{line.text} {line.url}".strip()


# Text


def _text_lines(text: str) -> list[Line]:
    return [_text_line(line.strip()) for line in text.split("\n")]


def _text_line(text: str) -> Line:
    """A line with the link at its end taken off; the colon stays with the words."""
    label, _, last = text.rpartition(" ")
    if last.startswith(("http://", "https://")):
        return Line(label.rstrip(), last)
    return Line(text)


def _paragraphs(lines: Sequence[Line]) -> list[Paragraph]:
    found: list[list[Line]] = [[]]
    for line in lines:
        if line.text or line.url:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [tuple(paragraph) for paragraph in found if paragraph]


def _text_parts(lines: list[Line], called: str | None) -> _Parts | None:
    paragraphs = _paragraphs(lines)
    buttons = {number: button for number, paragraph in enumerate(paragraphs) if (button := _button(paragraph))}
    accepts = [number for number, button in buttons.items() if _is_accept(button)]
    if not accepts:
        return None
    if _guest_is_reminded(paragraphs, accepts[0], called):
        return _note_below(paragraphs, buttons)
    return _note_above(paragraphs, buttons, accepts[-1], called)


def _button(paragraph: Paragraph) -> Line | None:
    """The link of a paragraph that is nothing but a button, its words on the same line or on the one above."""
    link = paragraph[-1]
    if link.url is None or not (links.is_button(link.url) or paragraph[0].text.startswith(_ACCEPT_LABEL)):
        return None
    if len(paragraph) == 1:
        return link
    # Two lines and words before the link are a block whose headline ends in a link.
    return Line(paragraph[0].text, link.url) if len(paragraph) == 2 and not link.text else None


def _is_accept(button: Line) -> bool:
    return button.text.startswith(_ACCEPT_LABEL) or links.accepts(button.url or "")


def _guest_is_reminded(paragraphs: Sequence[Paragraph], accept: int, called: str | None) -> bool:
    """Whether the buttons come first: nothing of the inviter's stands above them."""
    above = [paragraph for paragraph in paragraphs[:accept] if _button(paragraph) is None]
    return not _without_lead_in(above, called)[0]


def _note_below(paragraphs: Sequence[Paragraph], buttons: dict[int, Line]) -> _Parts:
    top = [number for number in sorted(buttons) if number - min(buttons) < 2]
    rest = paragraphs[top[-1] + 1 :]
    end = next((number for number, paragraph in enumerate(rest) if _begins_frame(paragraph)), len(rest))
    above = [*paragraphs[: top[0]], *rest[:end]]
    return _Parts(above, None, tuple(buttons[number] for number in top), rest[end:])


def _begins_frame(paragraph: Paragraph) -> bool:
    own = any(line.url and links.is_mails_own(line.url) for line in paragraph)
    return own or words.is_frame(" ".join(line.text for line in paragraph))


def _note_above(paragraphs: Sequence[Paragraph], buttons: dict[int, Line], accept: int, called: str | None) -> _Parts:
    beside = [number for number in (accept + 1, accept - 1) if number in buttons and not _is_accept(buttons[number])]
    numbers = sorted([accept, *beside[:1]])
    above, frame = paragraphs[: numbers[0]], paragraphs[numbers[-1] + 1 :]
    at = _block_at(above, called, is_member=bool(beside))
    block = None if at is None else above[at]
    note = above if at is None else [*above[:at], *above[at + 1 :]]
    return _Parts(note, block, tuple(buttons[number] for number in numbers), frame)


def _block_at(above: Sequence[Paragraph], called: str | None, *, is_member: bool) -> int | None:
    """The number of the inviter's block among the paragraphs above the buttons."""
    first = len(above) - len(_without_lead_in(above, called)[0])
    if 0 < first < len(above) and words.announces_block(above[first - 1][0].text):
        return first
    if not above or first == len(above):
        return None
    if is_member:
        return len(above) - 1
    # Without a profile button (guests, and all until 2012) a name alone is the note's signature.
    is_block = called is not None and len(above[-1]) > 1 and plain(above[-1][0].text) == called
    return len(above) - 1 if is_block else None


def _without_lead_in(paragraphs: Sequence[Paragraph], called: str | None) -> tuple[Sequence[Paragraph], Sequence[Line]]:
    """The paragraphs below the lead-in, and the lines above them."""
    below = 0
    for number, paragraph in enumerate(paragraphs[:4]):
        if _is_lead_in(paragraph, called):
            below = number + 1
        elif not _may_stand_above_lead_in(paragraph):
            break
    return paragraphs[below:], [line for paragraph in paragraphs[:below] for line in paragraph]


def _is_lead_in(paragraph: Paragraph, called: str | None) -> bool:
    first, *rest = paragraph
    if first.text == "LinkedIn" or words.is_rule(first.text):
        return all(words.is_rule(line.text) for line in rest)
    return not rest and words.is_lead_in(plain(first.text), called)


def _may_stand_above_lead_in(paragraph: Paragraph) -> bool:
    return len(paragraph) == 1 and _GREETING.fullmatch(paragraph[0].text) is not None


def _unsigned(note: Sequence[Paragraph], called: str | None) -> tuple[Sequence[Paragraph], str | None]:
    """A guest's note without the "- Ada" that LinkedIn puts below it, and that name."""
    signed = _SIGNED.fullmatch(note[-1][0].text) if note and len(note[-1]) == 1 else None
    if signed is None or (called and not called.startswith(signed["name"])):
        return note, None
    return note[:-1], signed["name"].strip() or None


# Page


def _page_lines(page: str) -> list[Line]:
    # The page's head holds the recipient's name and profile.
    return [line for line in lines_of(page) if not (line.url and links.is_recipients(line.url))]


def _page_parts(lines: list[Line], called: str | None) -> _Parts | None:
    """The same parts of a page, whose block is found by the link on the name and held together by its cell."""
    accept = next((number for number, line in enumerate(lines) if line.url and links.accepts(line.url)), None)
    if accept is None:
        return None
    at = _name_at(lines[:accept], called)
    if at is None:
        return _text_parts(_unlinked(lines), called)
    lead, _ = _without_lead_in(_paragraphs(lines[:at]), called)
    # Where the note stands above the block, everything below the name is the block.
    end = accept if lead else at + _height(lines[at:accept])
    note = [*_paragraphs(lines[:at]), *_paragraphs(lines[end:accept])]
    block = tuple(line for line in lines[at:end] if line.text and not (line.url and line.text != lines[at].text))
    below = _paragraphs(lines[accept + 1 :])
    return _Parts(note, block, (lines[accept], lines[at]), below)


def _unlinked(lines: list[Line]) -> list[Line]:
    """The page as text would have it, where only buttons and the frame have links."""
    return [line if not line.url or links.is_mails_own(line.url) else Line(line.text) for line in lines]


def _name_at(lines: Sequence[Line], called: str | None) -> int | None:
    linked = [number for number, line in enumerate(lines) if line.url and links.shows_profile(line.url)]
    named = [number for number in linked if plain(lines[number].text) == called]
    return next(iter(named or linked), None)


def _height(lines: Sequence[Line]) -> int:
    """How many lines from the name on are the block: its paragraph, or all of its cell."""
    paragraph = next((number for number, line in enumerate(lines) if not line.text), len(lines))
    if paragraph > 1 or "/fpg/" in (lines[0].url or ""):
        return paragraph
    return next((number for number, line in enumerate(lines) if line.text and line.cell != lines[0].cell), len(lines))


def _list_entry(text: str, page: str) -> Layout | None:
    """A reminder that is a list: "From Ada Miller (Editor)" and no buttons."""
    for line in (*_text_lines(text), *_page_lines(page)):
        if found := _NAMED.fullmatch(line.text):
            return Layout(plain(found["name"]), plain(found["headline"]), None, (), text)
    return None
