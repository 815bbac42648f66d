"""A replay as one page to look at in a browser: everything in the file, nothing from outside, nothing unescaped.

Only Markup makes HTML here: what it formats into a frame of ours is escaped. The page's own policy admits its one
style and one script by their hash, so that markup from a mail would neither run nor load if it ever got in.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources

from markupsafe import Markup

from gateway.model import Verdict
from gateway.page.chart import TONES, chart, joined
from gateway.replay import Count, Replayed, Ruled, by_rule, moves, outcomes, told, verdicts

_TITLE = "What your policy would have done"


def page(rows: Sequence[Replayed], count: Count, *, policies: Sequence[str]) -> str:
    """The whole page; `policies` names the owner's and, where there is one, the policy it is compared with."""
    style, script = _asset("style.css"), _asset("script.js")
    compared = len(policies) > 1
    shown = [row for row in rows if row.differs] if compared else rows
    return _asset("frame.html").format(
        guard=_guard(style, script),
        title=_TITLE,
        style=style,
        script=script,
        read=_read(rows, count),
        totals=_totals(rows, policies),
        follows=_follows(rows, policies),
        chart=chart(rows),
        heading=f"Where they end differently: {len(shown)} of {len(rows)}" if compared else "Every decision",
        counts=joined(
            Markup("<li>{} <b>{}</b></li>").format(what, times)
            for what, times in (moves(rows) if compared else [(rule, times) for rule, _, times in by_rule(rows)])
        ),
        heads=joined(Markup("<th>{}</th>").format(head) for head in _heads(policies)),
        rows=joined(_row(row, policies) for row in sorted(shown, key=_newest_first)),
    )


def _asset(name: str) -> Markup:
    return Markup((resources.files(__name__) / name).read_text("utf-8"))


def _guard(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _newest_first(row: Replayed) -> float:
    return -(row.date or datetime.min.replace(tzinfo=UTC)).timestamp()


def _read(rows: Sequence[Replayed], count: Count) -> str:
    dates = [row.date for row in rows if row.date]
    period = f", {min(dates):%Y-%m-%d} to {max(dates):%Y-%m-%d}" if dates else ""
    return f"{told(count)}{period}"


def _totals(rows: Sequence[Replayed], policies: Sequence[str]) -> Markup:
    """A number for each verdict, and what it would be with the other policy."""
    mine, other = verdicts(row.ruled for row in rows), verdicts(row.other for row in rows if row.other)
    return joined(
        Markup('<div class="{}"><dt>{}</dt><dd>{}{}</dd></div>').format(
            tone,
            verdict,
            mine[verdict],
            Markup(" <small>{} with {}</small>").format(other[verdict], policies[1]) if len(policies) > 1 else "",
        )
        for verdict, tone in TONES.items()
    )


def _follows(rows: Sequence[Replayed], policies: Sequence[str]) -> Markup:
    """What would have gone out, a line a policy."""
    every = [[row.ruled for row in rows], [row.other for row in rows if row.other]]
    return joined(
        Markup('<p class="follows">{}: {}</p>').format(
            policy, ", ".join(f"{number} {what}" for what, number in outcomes(ruled)) or "nothing to say to anybody"
        )
        for policy, ruled in zip(policies, every, strict=False)
    )


def _heads(policies: Sequence[str]) -> Sequence[str]:
    return ("Who", "When", *(policies if len(policies) > 1 else ("Decision",)))


def _row(row: Replayed, policies: Sequence[str]) -> Markup:
    decisions = [ruled for ruled in (row.ruled, row.other) if ruled]
    tones = " ".join(dict.fromkeys(_tone(ruled.verdict) for ruled in decisions))
    return Markup('<tr data-verdict="{}"{}>{}{}{}</tr>\n').format(
        tones,
        Markup(' class="compared"') if len(policies) > 1 else "",
        _who(row),
        Markup('<td class="when">{}<span>{} {}</span></td>').format(
            f"{row.date:%Y-%m-%d}" if row.date else "", row.network, row.kind
        ),
        joined(_decision(ruled, policy) for ruled, policy in zip(decisions, policies, strict=True)),
    )


def _tone(verdict: Verdict) -> str:
    return TONES.get(verdict, "decline")


def _who(row: Replayed) -> Markup:
    # <bdi>: a name written from right to left does not turn round what stands beside it.
    name = Markup("<bdi>{}</bdi>").format(row.name or "(no name)")
    if row.profile_url:
        name = Markup('<a href="{}" rel="noreferrer noopener">{}</a>').format(row.profile_url, name)
    return Markup('<td class="who"><b>{}</b><span><bdi>{}</bdi></span></td>').format(name, row.headline)


def _decision(ruled: Ruled, policy: str) -> Markup:
    first, *more = ruled.because
    return Markup(
        '<td class="ruled" data-policy="{}"><mark class="{}">{}</mark><span class="way">{}</span>'
        '<p>{}</p><p class="more">{}</p><span class="rule">{}</span></td>'
    ).format(policy, _tone(ruled.verdict), ruled.verdict, ruled.way, first, "; ".join(more), ruled.rule)
