"""Where things stand in an invitation: the inviter's block, the note, the buttons and the frame.

A note may hold anything, also lines that look like the mail around it. So nothing is looked for; it is reckoned from
the buttons, which the inviter cannot move: what stands right above them is the block, what stands above that the note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from unicodedata import normalize

from gateway.hypertext import Line
from gateway.mail import plain
from gateway.networks.linkedin import links, words
from gateway.networks.linkedin.lead import Lead
from gateway.networks.linkedin.paragraphs import (
    Paragraph,
    button_of,
    is_accept,
    page_lines,
    paragraphs_of,
    stands_alone,
    text_lines,
    written,
)

_LONGEST_NAME = 400  # characters
_SIGNED = re.compile(r"[-–] ?(?P<name>.*)")
_NAMED = re.compile(r"From (?P<name>.{2,80}?) \((?P<headline>.+)\)")


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


def layout_of(text: str, page: str, lead: Lead) -> Layout | None:
    """The layout of a mail's text, or failing that of its page; None where it has no buttons to reckon from."""
    lead = replace(lead, may_show_block=not page or "/fpg/" in page)
    if parts := _text_parts(text_lines(text), lead):
        return _read(parts, lead, prints_area=_is_old_style(parts))
    lines = page_lines(page)
    if parts := _page_parts(lines, lead):
        return _read(parts, lead, prints_area=_is_old_style(parts) or "phoenix-" in page)
    return _list_entry([*text_lines(text), *lines])


def _read(parts: _Parts, lead: Lead, *, prints_area: bool) -> Layout:
    height = lead.height(parts.above)
    note, signed = parts.above[height:], None
    if parts.block is None and not _is_old_style(parts):
        note, signed = _unsigned(note, lead.called)
    name, headline = _name_and_headline(parts.block or (), prints_area=prints_area)
    name = name or lead.called
    own = (*parts.above[:height], parts.buttons, *parts.frame)
    return Layout(
        name=name,
        headline=headline,
        note="\n\n".join("\n".join(map(written, paragraph)) for paragraph in note) or None,
        buttons=tuple(line.url for line in parts.buttons if line.url),
        frame="\n".join(line.text for paragraph in own for line in paragraph),
        given_name=signed if signed and name and signed != name and name.startswith(signed) else None,
    )


def _is_old_style(parts: _Parts) -> bool:
    return any(line.url and links.is_old_style(line.url) for line in parts.buttons)


def _name_and_headline(block: Paragraph, *, prints_area: bool) -> tuple[str | None, str | None]:
    if not block:
        return None, None
    name, *rest = [plain(written(line)) for line in block]
    rest = [line for line in rest if not words.is_in_common(line)]
    if not rest or (prints_area and len(rest) == 1 and words.is_area(rest[0])):
        return name, None
    return name, rest[0]


def _unsigned(note: Sequence[Paragraph], called: str | None) -> tuple[Sequence[Paragraph], str | None]:
    """A guest's note without the "- Ada" that LinkedIn puts below it, and that name."""
    signed = _SIGNED.fullmatch(note[-1][0].text) if note and len(note[-1]) == 1 else None
    if signed is None or (called and not _is_given_name(signed["name"], called)):
        return note, None
    return note[:-1], signed["name"].strip() or None


def _is_given_name(signed: str, called: str) -> bool:
    # Who signs with all of several names has done so themselves.
    return called.startswith(signed) and (signed != called or " " not in called)


def _same(spelt: str, called: str | None) -> bool:
    """Whether two spellings of a name differ in nothing one can see."""
    # Beyond the length of a name, normalising takes quadratic time.
    if called is None or len(spelt) > _LONGEST_NAME or len(called) > _LONGEST_NAME:
        return False
    return normalize("NFC", plain(spelt)) == normalize("NFC", called)


# The text


def _text_parts(lines: Sequence[Line], lead: Lead) -> _Parts | None:
    paragraphs = paragraphs_of(lines)
    buttons = {number: button for number, paragraph in enumerate(paragraphs) if (button := button_of(paragraph))}
    accepts = [number for number, button in buttons.items() if is_accept(button)]
    if not accepts:
        return None
    if lead.is_reminder and links.is_guests(buttons[accepts[0]].url or ""):
        above = [paragraph for number, paragraph in enumerate(paragraphs[: accepts[0]]) if number not in buttons]
        if lead.height(above) == len(above):
            return _note_below(paragraphs, buttons)
    return _note_above(paragraphs, buttons, accepts[-1], lead)


def _note_below(paragraphs: Sequence[Paragraph], buttons: dict[int, Line]) -> _Parts:
    """A guest's reminder: nothing but the lead-in stands above its buttons."""
    first = min(buttons)
    top = [number for number in (first, first + 1) if number in buttons]
    rest = paragraphs[top[-1] + 1 :]
    frame = _frame_at(rest)
    return _Parts([*paragraphs[:first], *rest[:frame]], None, tuple(buttons[number] for number in top), rest[frame:])


def _frame_at(paragraphs: Sequence[Paragraph]) -> int:
    """Where the frame begins: at the last way to unsubscribe, for a note may speak of that too."""
    numbers = range(len(paragraphs))
    leaving = [n for n in numbers if any(links.unsubscribes(line.url or "") for line in paragraphs[n])]
    leaving = leaving or [n for n in numbers if words.begins_frame(paragraphs[n][0].text)]
    if leaving:
        return leaving[-1]
    return next((n for n in numbers if words.is_frame(paragraphs[n][0].text)), len(paragraphs))


def _note_above(paragraphs: Sequence[Paragraph], buttons: dict[int, Line], accept: int, lead: Lead) -> _Parts:
    neighbours = () if stands_alone(buttons[accept]) else (accept + 1, accept - 1)
    beside = [number for number in neighbours if number in buttons and not is_accept(buttons[number])]
    numbers = sorted([accept, *beside[:1]])
    above, frame = paragraphs[: numbers[0]], paragraphs[numbers[-1] + 1 :]
    is_guest = links.is_guests(buttons[accept].url or "")
    at = None if is_guest else _block_at(above, lead, shows_profile=bool(beside))
    note = above if at is None else [*above[:at], *above[at + 1 :]]
    return _Parts(note, None if at is None else above[at], tuple(buttons[number] for number in numbers), frame)


def _block_at(above: Sequence[Paragraph], lead: Lead, *, shows_profile: bool) -> int | None:
    """Which paragraph above the buttons is the inviter's block."""
    height = lead.height(above)
    if lead.announces_block(above):
        return height
    if height == len(above):
        return None
    if shows_profile:
        return len(above) - 1
    # Until 2011 there was no block, so a name is the note's signature; in 2012 there was one, of name and headline.
    is_block = lead.may_show_block and len(above[-1]) > 1 and _same(above[-1][0].text, lead.called)
    return len(above) - 1 if is_block else None


# The page


def _page_parts(lines: list[Line], lead: Lead) -> _Parts | None:
    """The same parts of a page, whose block is found by the link on the name and held together by its cell."""
    accept = next((number for number, line in enumerate(lines) if line.url and links.accepts(line.url)), None)
    if accept is None:
        return None
    at = _name_at(lines[:accept], lead.called)
    if at is None:
        return _text_parts(lines, lead)
    above = paragraphs_of(lines[:at])
    # Where the note stands above the block, everything below the name is the block.
    end = accept if lead.height(above) < len(above) else at + _height(lines[at:accept])
    block = (Line(lines[at].text), *(line for line in lines[at + 1 : end] if line.text and not line.url))
    note = [*above, *paragraphs_of(lines[end:accept])]
    return _Parts(note, block, (lines[accept], lines[at]), paragraphs_of(lines[accept + 1 :]))


def _name_at(lines: Sequence[Line], called: str | None) -> int | None:
    linked = [number for number, line in enumerate(lines) if line.url and links.shows_profile(line.url)]
    named = [number for number in linked if _same(lines[number].text, called)]
    return next(iter(named or linked), None)


def _height(lines: Sequence[Line]) -> int:
    """How many lines from the name on are the block: its paragraph, or all of its cell."""
    paragraph = next((number for number, line in enumerate(lines) if not line.text), len(lines))
    if paragraph > 1 or links.is_paragraph_style(lines[0].url or ""):
        return paragraph
    return next((number for number, line in enumerate(lines) if line.text and line.cell != lines[0].cell), len(lines))


# A list


def _list_entry(lines: Sequence[Line]) -> Layout | None:
    """A reminder that is a list and has no buttons: "From Ada Miller (Editor)"."""
    for line in lines:
        if found := _NAMED.fullmatch(line.text):
            frame = "\n".join(line.text for line in lines)
            return Layout(plain(found["name"]), plain(found["headline"]), None, (), frame)
    return None
