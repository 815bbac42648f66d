"""The summary as plain text, for whoever reads mail in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from gateway.digest.contents import Contents
from gateway.digest.facts import WeekCount
from gateway.digest.items import Item, Section
from gateway.digest.words import Words
from gateway.model import Verdict

_WIDTH = 78  # columns
_BAR = 30  # columns of the longest bar
_MOST = 100  # items of a section
_SIGNS = {Verdict.ACCEPT: "+", Verdict.HUMAN: "?", Verdict.DECLINE: "-"}


def as_text(contents: Contents) -> str:
    """The whole summary, without line ends at its end but one."""
    words = contents.words
    lines = [contents.title, ""]
    if contents.numbers:
        lines += _wrapped(", ".join(f"{name}: {number}" for name, number in contents.numbers) + ".")
    if contents.lead:
        lines += _wrapped(contents.lead)
    for notice in contents.notices:
        lines += ["", *_wrapped(notice)]
    if contents.examples:
        # In quotation marks a line of it is no command when it is quoted back.
        example = ", ".join(f'"{command}"' for command in contents.examples)
        lines += ["", *_wrapped(words("answer", example=example))]
    lines += ["", ""]
    for section in contents.sections:
        lines += _section(section, words)
    lines += _letters(contents)
    if contents.history:
        lines += _history(contents.history, words)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section, words: Words) -> Iterator[str]:
    yield from _heading(f"{section.title} ({len(section.items)})")
    if section.hint:
        yield from _wrapped(section.hint)
    for item in section.items[:_MOST]:
        yield ""
        first, *more = _item(item, words)
        yield from _wrapped(first, "* ", "  ")
        for line in more:
            yield from _wrapped(line, "  ", "    " if line.startswith("- ") else "  ")
        yield from _paste(item)
    if len(section.items) > _MOST:
        yield ""
        yield from _wrapped(words("more", number=len(section.items) - _MOST))
    yield ""
    yield ""


def _item(item: Item, words: Words) -> Iterator[str]:
    if item.case:
        who = f"{item.name}, {item.headline}" if item.headline else item.name
        yield f"{item.case}  {who} ({item.network})"
    if item.quote:
        yield f'"{item.quote}"'
    for number, reason in enumerate(item.reasons):
        yield f"- {reason}" if number else f"{words('item.why')}: {reason}"
    for label, text in item.lines:
        yield f"{label}: {text}" if label else text
    if item.warning:
        yield item.warning
    if item.profile_url:
        yield item.profile_url
    if item.hint:
        yield item.hint


def _paste(item: Item) -> Iterator[str]:
    label, text = item.paste
    if text:
        yield f"  {label}:"
        yield from _wrapped(text, "    ", "    ")


def _letters(contents: Contents) -> Iterator[str]:
    if not contents.letters:
        return
    title, hint = contents.words.section("outcomes")
    yield from _heading(title)
    yield from _wrapped(hint)
    yield ""
    for letters in contents.letters:
        told = ", ".join(f"{what} {number}" for what, number in letters.counts)
        yield from _wrapped(f"{letters.reply}: {told}", "* ", "  ")
    yield ""
    yield ""


def _history(history: Sequence[WeekCount], words: Words) -> Iterator[str]:
    yield from _heading(words.section("numbers")[0])
    most = max(count.total for count in history)
    scale = min(1.0, _BAR / most)
    for count in history:
        bar = "".join(_SIGNS[verdict] * round(number * scale) for verdict, number in count.verdicts.items())
        yield f"{count.week.name}  {count.total:4}  {bar}".rstrip()
    yield ""
    yield "  ".join(f"{sign} {words(f'verdicts.{verdict}')}" for verdict, sign in _SIGNS.items())


def _heading(text: str) -> tuple[str, str]:
    return text, "-" * len(text)


def _wrapped(line: str, first: str = "", after: str = "") -> list[str]:
    link = line.startswith("https://")  # whole, so that it can be clicked on
    return textwrap.wrap(
        line,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=after,
        break_long_words=not link,
        break_on_hyphens=False,
    ) or [""]
