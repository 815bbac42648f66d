"""Invitations over time as a chart: a bar a month, or a year where the archive is long, stacked by verdict.

Places across are percentages and heights are pixels, so that bars stretch with the page and letters do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from markupsafe import Markup

from gateway.model import Verdict
from gateway.replay import Replayed

TONES = {Verdict.ACCEPT: "accept", Verdict.HUMAN: "human", Verdict.DECLINE: "decline"}  # from the ground up
_HEIGHT = 140  # pixels of the tallest bar
_FOOT = 20  # pixels for the names below
_MOST_MONTHS = 48  # a longer archive is shown by years
_FEWEST = 12  # bars there is room for at least, so that one month is no wall
_NAMES = 6  # fit beside each other on a phone


def chart(rows: Sequence[Replayed]) -> Markup:
    """The chart with its legend; nothing where no mail has a date."""
    dates = [row.date for row in rows if row.date]
    if not dates:
        return Markup("")
    spans, by_year = _spans(min(dates), max(dates))
    found = Counter((_span(row.date, by_year=by_year), row.ruled.verdict) for row in rows if row.date)
    top = _round_number(max(sum(found[span, verdict] for verdict in TONES) for span in spans))
    title = "Invitations and reminders a year" if by_year else "Invitations and reminders a month"
    key = joined(Markup('<span class="{}">{}</span>').format(tone, verdict) for verdict, tone in TONES.items())
    return Markup(
        '<figure><figcaption><b>{}</b><span class="key">{}</span></figcaption><div class="chart">{}'
        '<svg height="{}" role="img" aria-label="{}, {} to {}">{}{}{}</svg></div></figure>'
    ).format(
        title,
        key,
        _scale(top),
        _HEIGHT + _FOOT,
        title,
        spans[0],
        spans[-1],
        _lines(top),
        joined(_bar(place, span, len(spans), found, top) for place, span in enumerate(spans)),
        _names(spans),
    )


def joined(parts: Iterable[Markup]) -> Markup:
    """Pieces of a page as one."""
    return Markup("").join(parts)


def _spans(first: datetime, last: datetime) -> tuple[list[str], bool]:
    """Every month from first to last, with months before it where they are few; years where they are many."""
    begin, end = first.year * 12 + first.month - 1, last.year * 12 + last.month - 1
    if end - begin >= _MOST_MONTHS:
        return [f"{year}" for year in range(first.year, last.year + 1)], True
    months = range(min(begin, end - _FEWEST + 1), end + 1)
    return [f"{month // 12}-{month % 12 + 1:02}" for month in months], False


def _span(date: datetime, *, by_year: bool) -> str:
    return f"{date.year}" if by_year else f"{date.year}-{date.month:02}"


def _round_number(highest: int) -> int:
    """The even number at or above that a scale ends in: 2, 4, 6, 8, 10, 20, 40 ..."""
    step = 1
    while highest > 10 * step:
        step *= 10
    return next(number * step for number in (2, 4, 6, 8, 10) if number * step >= highest)


def _ticks(top: int) -> tuple[tuple[int, float], ...]:
    """Numbers on the scale and how far down they stand."""
    return (top, 0.5), (top // 2, _HEIGHT / 2), (0, _HEIGHT)


def _scale(top: int) -> Markup:
    width = 12 + 7 * len(str(top))
    numbers = joined(
        Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(width - 8, y + 4, number)
        for number, y in _ticks(top)
    )
    return Markup('<svg width="{}" height="{}" aria-hidden="true">{}</svg>').format(width, _HEIGHT + _FOOT, numbers)


def _lines(top: int) -> Markup:
    return joined(
        Markup('<line x1="0" x2="100%" y1="{}" y2="{}"></line>').format(height, height) for _, height in _ticks(top)
    )


def _bar(place: int, span: str, of: int, found: Counter[tuple[str, Verdict]], top: int) -> Markup:
    slot, left = 100 / of, 100 * place / of
    told = ", ".join(f"{found[span, verdict]} {verdict}" for verdict in TONES if found[span, verdict]) or "none"
    parts, y = [], float(_HEIGHT)
    for verdict, tone in TONES.items():
        height = _HEIGHT * found[span, verdict] / top
        y -= height
        if height:
            parts.append(
                Markup('<rect class="{}" x="{:.2f}%" y="{:.1f}" width="{:.2f}%" height="{:.1f}"></rect>').format(
                    tone, left + slot * 0.15, y, slot * 0.7, height
                )
            )
    return Markup(
        '<g><title>{}: {}</title><rect class="whole" x="{:.2f}%" y="0" width="{:.2f}%" height="{}"></rect>{}</g>'
    ).format(span, told, left, slot, _HEIGHT, joined(parts))


def _names(spans: Sequence[str]) -> Markup:
    """The names of some bars, the last among them."""
    slot = 100 / len(spans)
    crowded = len(spans) > _FEWEST  # then a name in the middle of the last bar would stand out of the page
    anchor, inset = ("end", 1.0) if crowded else ("middle", 0.5)
    step = -(-len(spans) // _NAMES)
    return joined(
        Markup('<text x="{:.2f}%" y="{}" text-anchor="{}">{}</text>').format(
            slot * (place + inset), _HEIGHT + _FOOT - 4, anchor, spans[place]
        )
        for place in range(len(spans) - 1, -1, -step)
    )
