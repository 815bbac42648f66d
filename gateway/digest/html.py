"""The summary as HTML for mail programs: no image, nothing from outside, readable when they throw the style away.

Only Markup makes HTML here: what it formats into a frame of ours is escaped. Mail programs keep little of a style
sheet, so each element carries its own; what depends on the screen or on the dark stays in a sheet beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markupsafe import Markup

from gateway.commands.verbs import Verb
from gateway.digest.contents import Contents
from gateway.digest.facts import WeekCount
from gateway.digest.items import Item, Section
from gateway.digest.words import Words
from gateway.model import AnswerLink, Verdict

if TYPE_CHECKING:
    import css_inline

LARGEST = 98_000  # bytes; some mail programs cut off what is over 100 kB
_TONES = {Verdict.ACCEPT: "accept", Verdict.HUMAN: "needs", Verdict.DECLINE: "quiet"}
_FEWEST = 3  # items of a section that are shown however long the mail is
_YIELDING = (
    "paste",
    "drafted",
    "observed",
    "old",
    "answered",
    "quiet",
)  # the sections that can do with fewer items, the last one first
_EVER = frozenset({Verb.ALWAYS_PERSON, Verb.NEVER_PERSON, Verb.ALWAYS_COMPANY, Verb.NEVER_COMPANY})


def as_html(contents: Contents) -> str:
    """The whole mail; of very many items the first of each section, and how many more there are."""
    return _inlined(_page(contents, _room_for(contents)))


def _inlined(page: str) -> str:
    # The sheet that is to stay says so itself, and has its rules in @media, where the inliner leaves them. Nothing is
    # loaded: there is nothing to load.
    return _inliner().inline(page)


@cache
def _inliner() -> css_inline.CSSInliner:
    import css_inline  # 3 MB, and needed once a week

    return css_inline.CSSInliner(load_remote_stylesheets=False, minify_css=True)


def _room_for(contents: Contents) -> dict[str, int]:
    """How many items of each section fit into the mail: where not all do, what needs the owner goes first."""
    shown = {section.key: min(_FEWEST, len(section.items)) for section in contents.sections}
    room = LARGEST - len(_inlined(_page(contents, shown)).encode())
    ranked = {section.key: section for section in contents.sections if section.key not in _YIELDING}
    ranked |= {section.key: section for key in _YIELDING for section in contents.sections if section.key == key}
    for section in ranked.values():
        for item in section.items[_FEWEST:]:
            room -= _size(_item(item, section.key, contents.words))
            if room < 0:
                return shown
            shown[section.key] += 1
    return shown


def _size(fragment: Markup) -> int:
    return len(_inliner().inline_fragment(fragment, _asset("style.css")).encode())


def _page(contents: Contents, shown: Mapping[str, int]) -> Markup:
    words = contents.words
    return _asset("frame.html").format(
        language=words.language,
        title=contents.title,
        style=_asset("style.css"),
        screens=_asset("screens.css"),
        numbers=_numbers(contents),
        lead=Markup('<p class="soft">{}</p>').format(contents.lead) if contents.lead else "",
        notices=_joined(Markup('<p class="notice">{}</p>').format(_coded(notice)) for notice in contents.notices),
        answer=_answer(contents),
        sections=_joined(_section(section, words, shown[section.key]) for section in contents.sections),
        letters=_letters(contents),
        history=_history(contents.history, words) if contents.history else "",
        footer="" if contents.empty else Markup('<p class="footer">{}</p>').format(words("footer")),
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


def _numbers(contents: Contents) -> Markup:
    if not contents.numbers:
        return Markup("")
    tiles = _joined(
        Markup('<td class="tile {}"><b>{}</b>{}</td>').format(tone, number, name)
        for tone, (name, number) in zip(("all", *_TONES.values()), contents.numbers, strict=True)
    )
    return Markup('<table class="tiles" role="presentation"><tr>{}</tr></table>').format(tiles)


def _answer(contents: Contents) -> Markup:
    if not contents.examples:
        return Markup("")
    example = ", ".join(f"`{command}`" for command in contents.examples)
    return Markup('<p class="soft">{}</p>').format(_coded(contents.words("answer", example=example)))


def _section(section: Section, words: Words, shown: int) -> Markup:
    left = len(section.items) - shown
    return Markup("<h2>{} <span>{}</span></h2>{}{}{}").format(
        section.title,
        len(section.items),
        Markup('<p class="soft">{}</p>').format(section.hint) if section.hint else "",
        _joined(_item(item, section.key, words) for item in section.items[:shown]),
        Markup('<p class="soft">{}</p>').format(_coded(words("more", number=left))) if left > 0 else "",
    )


def _item(item: Item, key: str, words: Words) -> Markup:
    return Markup('<div class="item {}">{}</div>\n').format(key, _joined(_parts(item, words)))


def _parts(item: Item, words: Words) -> Iterator[Markup]:
    if item.case:
        # <bdi>: a name written from right to left does not turn round what stands beside it.
        yield Markup('<p class="who"><b><bdi>{}</bdi></b> <span>{}</span></p>').format(item.name, item.case)
        beside = [part for part in (item.headline, item.network) if part]
        yield Markup('<p class="soft"><bdi>{}</bdi></p>').format(" · ".join(beside))
    if item.quote:
        # In quotation marks a line of it is no command when it is quoted back.
        yield Markup('<p class="quote"><bdi>“{}”</bdi></p>').format(item.quote)
    for number, reason in enumerate(item.reasons):
        yield _line("" if number else words("item.why"), reason, also=number > 0)
    for label, text in item.lines:
        yield _line(label, text)
    if item.warning:
        yield Markup('<p class="warning">{}</p>').format(item.warning)
    label, text = item.paste
    if text:
        yield Markup('<p class="label">{}:</p><p class="snippet">{}</p>').format(label, text)
    if item.hint:
        yield Markup("<p>{}</p>").format(_coded(item.hint))
    yield from _links(item, words)


def _line(label: str, text: str, *, also: bool = False) -> Markup:
    name = Markup('<span class="label">{}:</span> ').format(label) if label else ""
    frame = Markup('<p class="soft">{}{}</p>') if also else Markup("<p>{}{}</p>")
    return frame.format(name, text)


def _links(item: Item, words: Words) -> Iterator[Markup]:
    """What to do with this case in a first row; what is to hold from now on in a second, smaller one."""
    now = [_link(link, words) for link in item.links if link.verb not in _EVER]
    if item.profile_url:
        host = (urlsplit(item.profile_url).hostname or "").removeprefix("www.")
        profile = Markup('<a class="open" href="{}">{} · {}</a>')
        now.insert(0, profile.format(item.profile_url, words("item.profile"), host))
    ever = [_link(link, words) for link in item.links if link.verb in _EVER]
    for key, links in (("links", now), ("ever", ever)):
        if links:
            yield Markup('<p class="{}">{}</p>').format(key, Markup(" &nbsp;").join(links))


def _link(link: AnswerLink, words: Words) -> Markup:
    return Markup('<a href="{}">{}</a>').format(link.href, words.verb(link.verb))


def _letters(contents: Contents) -> Markup:
    if not contents.letters:
        return Markup("")
    title, hint = contents.words.section("outcomes")
    lines = (
        Markup('<p><b>{}</b> <span class="label">{}</span></p>').format(
            letters.reply, " · ".join(f"{what} {number}" for what, number in letters.counts)
        )
        for letters in contents.letters
    )
    return Markup('<h2>{}</h2><p class="soft">{}</p>{}').format(title, hint, _joined(lines))


def _history(history: tuple[WeekCount, ...], words: Words) -> Markup:
    title, hint = words.section("numbers")
    most = max(count.total for count in history)
    key = _joined(
        Markup('<span class="key-{}">■</span> {} &nbsp; ').format(tone, words(f"verdicts.{verdict}"))
        for verdict, tone in _TONES.items()
    )
    return Markup(
        '<h2>{}</h2><p class="soft">{}</p><table class="chart" role="presentation">{}</table><p class="soft">{}</p>'
    ).format(title, hint, _joined(_week(count, most) for count in history), key)


def _week(count: WeekCount, most: int) -> Markup:
    """A row: the week, the number, and its bar in three tones, a table because Word shows mails in Outlook."""
    parts = _joined(
        Markup('<td class="bar-{}" width="{}%">&nbsp;</td>').format(_TONES[verdict], round(number / count.total * 100))
        for verdict, number in count.verdicts.items()
        if number
    )
    bar = Markup('<table role="presentation" cellspacing="0" cellpadding="0" width="{}%"><tr>{}</tr></table>')
    return Markup('<tr><td class="week">{}</td><td class="number">{}</td><td class="bars">{}</td></tr>\n').format(
        count.week.name, count.total, bar.format(max(1, round(count.total / most * 100)), parts) if count.total else ""
    )
