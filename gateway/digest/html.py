"""The summary as HTML for mail programs: no image, nothing from outside, readable when they throw the style away.

Only Markup makes HTML here: what it formats into a frame of ours is escaped. Mail programs keep little of a style
sheet, so each element carries its own; what depends on the screen or on the dark stays in a sheet beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources

import css_inline
from markupsafe import Markup

from gateway.digest.contents import Contents, Item, Section
from gateway.digest.facts import WeekCount
from gateway.digest.words import Words
from gateway.model import Verdict

LARGEST = 90_000  # bytes; some mail programs cut off what is over 100 kB
_TONES = {Verdict.ACCEPT: "accept", Verdict.HUMAN: "needs", Verdict.DECLINE: "quiet"}
_FEWEST = 3  # items of a section that are shown however long the mail is


def as_html(contents: Contents) -> str:
    """The whole mail; of very many items the first of each section, and how many more there are."""
    most = max((len(section.items) for section in contents.sections), default=0)
    while True:
        page = _inlined(_page(contents, most))
        if len(page.encode()) <= LARGEST or most <= _FEWEST:
            return page
        most = max(_FEWEST, most // 2)


def _inlined(page: str) -> str:
    # The sheet that is to stay says so itself. Nothing is loaded: there is nothing to load.
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False)
    return inliner.inline(page)


def _page(contents: Contents, most: int) -> Markup:
    words = contents.words
    return _asset("frame.html").format(
        language=words.language,
        title=contents.title,
        style=_asset("style.css"),
        screens=_asset("screens.css"),
        lead=contents.lead,
        notices=_joined(Markup('<p class="notice">{}</p>').format(_coded(notice)) for notice in contents.notices),
        answer=_answer(contents),
        sections=_joined(_section(section, words, most) for section in contents.sections),
        history=_history(contents.history, words) if contents.history else "",
        footer=words("footer"),
    )


@cache
def _asset(name: str) -> Markup:
    return Markup((resources.files("gateway.digest") / name).read_text("utf-8"))  # noqa: S704 - files of our own


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _coded(text: str) -> Markup:
    """A text of our own, with what stands in `backticks` as something to type."""
    frames = itertools.cycle((Markup("{}"), Markup("<code>{}</code>")))
    return _joined(frame.format(part) for frame, part in zip(frames, text.split("`"), strict=False))


def _answer(contents: Contents) -> Markup:
    if not contents.answerable:
        return Markup("")
    example = f"decline {contents.answerable}"
    return Markup('<p class="answer">{}</p>').format(_coded(contents.words("answer", example=f"`{example}`")))


def _section(section: Section, words: Words, most: int) -> Markup:
    left = len(section.items) - most
    return Markup('<h2 class="{}">{} <span>{}</span></h2>{}{}{}').format(
        section.key,
        section.title,
        len(section.items),
        Markup('<p class="hint">{}</p>').format(section.hint) if section.hint else "",
        _joined(_item(item, section.key, words) for item in section.items[:most]),
        Markup('<p class="hint">{}</p>').format(_coded(words("more", number=left))) if left > 0 else "",
    )


def _item(item: Item, tone: str, words: Words) -> Markup:
    return Markup('<div class="item {}">{}</div>').format(tone, _joined(_parts(item, words)))


def _parts(item: Item, words: Words) -> Iterator[Markup]:
    if item.case:
        # <bdi>: a name written from right to left does not turn round what stands beside it.
        yield Markup('<p class="who"><span class="case">{}</span> <b><bdi>{}</bdi></b></p>').format(
            item.case, item.name
        )
        beside = [part for part in (item.headline, item.network) if part]
        yield Markup('<p class="soft"><bdi>{}</bdi></p>').format(" · ".join(beside))
    if item.quote:
        yield Markup('<p class="quote"><bdi>{}</bdi></p>').format(item.quote)
    for label, text in item.lines:
        name = Markup('<span class="label">{}:</span> ').format(label) if label else ""
        yield Markup("<p>{}{}</p>").format(name, text)
    if item.warning:
        yield Markup('<p class="warning">{}</p>').format(item.warning)
    if item.paste:
        text = Markup("<br>").join(item.paste.splitlines())
        yield Markup('<p class="label">{}:</p><p class="snippet">{}</p>').format(words("item.text"), text)
    links = list(_links(item, words))
    if links:
        yield Markup('<p class="links">{}</p>').format(Markup(" ").join(links))


def _links(item: Item, words: Words) -> Iterator[Markup]:
    frame = Markup('<a class="{}" href="{}">{}</a>')
    if item.profile_url:
        yield frame.format("open", item.profile_url, words("item.profile"))
    for link in item.links:
        yield frame.format("do", link.href, words.verb(link.verb))


def _history(history: tuple[WeekCount, ...], words: Words) -> Markup:
    title, hint = words.section("numbers")
    most = max(count.total for count in history)
    key = _joined(
        Markup('<span class="bar key {}">&nbsp;</span> {} &nbsp; ').format(tone, words(f"verdicts.{verdict}"))
        for verdict, tone in _TONES.items()
    )
    return Markup(
        '<h2 class="numbers">{}</h2><p class="hint">{}</p><table class="chart" role="presentation">{}</table>'
        '<p class="hint">{}</p>'
    ).format(title, hint, _joined(_week(count, most) for count in history), key)


def _week(count: WeekCount, most: int) -> Markup:
    """A row: the week, its bar in three tones, the number."""
    bars = _joined(
        Markup('<span class="bar {}" style="width:{}%">&nbsp;</span>').format(
            _TONES[verdict], round(number / most * 100, 1)
        )
        for verdict, number in count.verdicts.items()
        if number
    )
    return Markup('<tr><td class="week">{}</td><td class="number">{}</td><td class="bars">{}</td></tr>').format(
        count.week.name, count.total, bars
    )
