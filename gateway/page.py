"""A replay as one page to look at in a browser: everything in the file, nothing from outside, nothing unescaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from importlib import resources

from markupsafe import Markup

from gateway.model import Verdict
from gateway.replay import Count, Replayed, Ruled, totals

_CLASS = {Verdict.ACCEPT: "accept", Verdict.DECLINE: "decline", Verdict.HUMAN: "human", Verdict.IGNORE: "ignore"}
_STACK = (Verdict.ACCEPT, Verdict.HUMAN, Verdict.DECLINE)
_BAR, _GAP, _HEIGHT = 14, 4, 120  # of the chart, in its own units
_MONTHS_SHOWN = 48  # a longer archive is shown by years


def page(rows: Sequence[Replayed], count: Count, *, title: str) -> str:
    """The whole page."""
    folder = resources.files("gateway") / "pages"
    frame = Markup((folder / "replay.html").read_text("utf-8"))
    style = Markup((folder / "replay.css").read_text("utf-8"))
    script = Markup((folder / "replay.js").read_text("utf-8"))
    compared = any(row.other for row in rows)
    return frame.format(
        title=title,
        style=style,
        script=script,
        read=f"{count.mails} mails read, {len(rows)} invitations and reminders among them",
        totals=Markup("").join(_total(name, number) for name, number in totals(rows)),
        chart=_chart(rows),
        heads=Markup("").join(Markup("<th>{}</th>").format(head) for head in _heads(compared=compared)),
        rows=Markup("").join(_row(row, compared=compared) for row in rows),
    )


def _heads(*, compared: bool) -> Iterator[str]:
    yield from ("When", "Who", "What", "Verdict")
    if compared:
        yield "With the other policy"
    yield "Why"


def _total(name: str, number: int) -> Markup:
    return Markup('<div class="total"><dd>{}</dd><dt>{}</dt></div>').format(number, name)


def _row(row: Replayed, *, compared: bool) -> Markup:
    when = f"{row.date:%Y-%m-%d}" if row.date else ""
    name = row.name or "(no name)"
    who = (
        Markup('<a href="{}" rel="noreferrer noopener">{}</a>').format(row.profile_url, name)
        if row.profile_url
        else name
    )
    cells = [
        Markup('<td class="when">{}</td>').format(when),
        Markup("<td><b>{}</b><br><span>{}</span></td>").format(who, row.headline),
        Markup('<td class="what">{} <span>{}</span></td>').format(row.network, row.kind),
        _verdict(row.ruled),
    ]
    if compared:
        cells.append(_verdict(row.other) if row.other and row.differs else Markup("<td><span>the same</span></td>"))
    cells.append(
        Markup('<td class="why">{}<br><span>{}</span></td>').format("; ".join(row.ruled.because), row.ruled.rule)
    )
    return Markup('<tr data-verdict="{}">{}</tr>\n').format(_CLASS[row.ruled.verdict], Markup("").join(cells))


def _verdict(ruled: Ruled) -> Markup:
    return Markup('<td><mark class="{}">{}</mark><br><span>{}</span></td>').format(
        _CLASS[ruled.verdict], ruled.verdict, ruled.outcome
    )


def _chart(rows: Sequence[Replayed]) -> Markup:
    """Invitations a month, or a year where the archive is long, stacked by verdict."""
    dates = sorted(row.date for row in rows if row.date)
    if not dates:
        return Markup("")
    by_year = (dates[-1] - dates[0]).days > _MONTHS_SHOWN * 31
    span = "year" if by_year else "month"
    found = Counter((_bucket(row.date, by_year=by_year), row.ruled.verdict) for row in rows if row.date)
    names = list(dict.fromkeys(_bucket(day, by_year=by_year) for day in _days(dates[0], dates[-1])))
    highest = max(sum(found[name, verdict] for verdict in _STACK) for name in names) or 1
    bars = Markup("").join(_bar(place, name, found, highest) for place, name in enumerate(names))
    return Markup(
        '<figure><svg viewBox="0 0 {} {}" role="img" aria-label="Invitations a {}" preserveAspectRatio="none">{}</svg>'
        "<figcaption><span>{}</span><span>{} a {} at most</span><span>{}</span></figcaption></figure>"
    ).format(len(names) * (_BAR + _GAP), _HEIGHT, span, bars, names[0], highest, span, names[-1])


def _bucket(day: datetime, *, by_year: bool) -> str:
    return f"{day:%Y}" if by_year else f"{day:%Y-%m}"


def _days(first: datetime, last: datetime) -> Iterator[datetime]:
    """Days close enough to one another to meet every month."""
    day = first
    while day < last:
        yield day
        day += timedelta(days=27)
    yield last


def _bar(place: int, name: str, found: Counter[tuple[str, Verdict]], highest: int) -> Markup:
    parts, top = [], float(_HEIGHT)
    for verdict in _STACK:
        number = found[name, verdict]
        height = _HEIGHT * number / highest
        top -= height
        if number:
            parts.append(
                Markup(
                    '<rect class="{}" x="{}" y="{:.1f}" width="{}" height="{:.1f}"><title>{}: {} {}</title></rect>'
                ).format(_CLASS[verdict], place * (_BAR + _GAP), top, _BAR, height, name, number, verdict)
            )
    return Markup("").join(parts)
