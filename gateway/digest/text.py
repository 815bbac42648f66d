"""The summary as plain text, for whoever reads mail in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from gateway.digest.contents import Contents, Item, Section
from gateway.digest.facts import WeekCount
from gateway.digest.words import Words
from gateway.model import Verdict

_WIDTH = 78  # columns
_BAR = 30  # columns of the longest bar
_SIGNS = {Verdict.ACCEPT: "+", Verdict.HUMAN: "?", Verdict.DECLINE: "-"}


def as_text(contents: Contents) -> str:
    """The whole summary, without line ends at its end but one."""
    lines = [contents.title, "", *_wrapped(contents.lead), ""]
    for notice in contents.notices:
        lines += [*_wrapped(notice), ""]
    if contents.answerable:
        example = f"decline {contents.answerable}"
        lines += [*_wrapped(contents.words("answer", example=example)), ""]
    for section in contents.sections:
        lines += _section(section, contents.words)
    if contents.history:
        lines += _history(contents.history, contents.words)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section, words: Words) -> Iterator[str]:
    yield from _heading(f"{section.title} ({len(section.items)})")
    if section.hint:
        yield from _wrapped(section.hint)
    for item in section.items:
        yield ""
        first, *more = _item(item, words)
        yield from _wrapped(first, "* ", "  ")
        for line in more:
            yield from _wrapped(line, "  ", "  ")
    yield ""
    yield ""


def _item(item: Item, words: Words) -> Iterator[str]:
    if item.case:
        who = f"{item.name}, {item.headline}" if item.headline else item.name
        yield f"{item.case}  {who} ({item.network})"
    if item.quote:
        yield f'"{item.quote}"'
    for label, text in item.lines:
        yield f"{label}: {text}" if label else text
    if item.warning:
        yield item.warning
    if item.profile_url:
        yield item.profile_url
    if item.paste:
        yield f"{words('item.text')}:"
        yield from item.paste.splitlines()


def _history(history: tuple[WeekCount, ...], words: Words) -> Iterator[str]:
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
    return textwrap.wrap(
        line,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=after,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
