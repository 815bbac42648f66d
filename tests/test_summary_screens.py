"""The weekly summary in a real browser, as mail programs show it: on a phone, on a desk, in the dark.

The pictures stay under artefacts/ for a person to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.digest import compose
from gateway.digest.facts import Facts, WeekCount
from gateway.digest.html import as_html
from gateway.digest.weeks import Rhythm
from gateway.digest.words import words
from gateway.journal.index import SourceState
from gateway.model import AnswerLink, Verdict
from tests.chromium import FAINTEST, Tab, chromium
from tests.test_digest import BERLIN, LANGUAGES, WEEK, a_week_of_everything, saying

PHONE, DESKTOP = (390, 844), (1000, 900)
RHYTHM = Rhythm.of("mon", "08:00", BERLIN)
VERBS = ("accept", "decline", "decline quietly", "ask why", "always this person", "never this company")


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as opened:
        yield opened


def written(folder: Path, language: str = "en") -> Path:
    """A full week, with a stranger who tries everything."""
    history: list[WeekCount] = []
    week = WEEK
    for number in range(8):
        counts = {Verdict.ACCEPT: number % 3, Verdict.HUMAN: (number * 5) % 4, Verdict.DECLINE: 9 - number}
        history.insert(0, WeekCount(week, counts))
        week = RHYTHM.before(week)
    facts = Facts(
        week=WEEK,
        rhythm=RHYTHM,
        entries=[*a_week_of_everything(), saying(f"<img src=https://example.net/x.png>{'Ö' * 120} \u202egnp")],
        moved=[("c9", "decline -> accept-candidate (rule friends)")],
        sources=[SourceState("contacts.vcf", "", WEEK.start, "is not there any more")],
        quiet_since=WEEK.start - timedelta(days=40),
        history=history,
        paused=True,
    )
    href = f"mailto:ada@example.org?subject={'x' * 120}"
    links = {f"c{number}": tuple(AnswerLink(verb, href) for verb in VERBS) for number in range(1, 8)}
    file = folder / f"summary-{language}.html"
    file.write_text(as_html(compose(facts, words(language), links)), "utf-8")
    return file


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("screen", "size"), [("phone", PHONE), ("desktop", DESKTOP)])
def test_the_summary_can_be_read_on_a_screen(
    tab: Tab, tmp_path: Path, screen: str, size: tuple[int, int], dark: bool
) -> None:
    file = written(tmp_path)
    tab.screen(*size, dark=dark)

    tab.open(file)
    tab.picture(f"summary-{screen}-{'dark' if dark else 'light'}")

    assert tab.value("document.documentElement.scrollWidth") == size[0]
    assert tab.value(FAINTEST) >= 4.5
    ground = sum(tab.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"))
    assert ground < 100 if dark else ground > 700
    assert tab.requests == [file.as_uri()]
    assert tab.complaints == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_fits_a_phone(tab: Tab, tmp_path: Path, language: str) -> None:
    tab.screen(*PHONE)

    tab.open(written(tmp_path, language))

    assert tab.value("document.documentElement.scrollWidth") == PHONE[0]
    assert tab.value("document.documentElement.lang") == language


def test_without_a_style_sheet_the_order_still_tells(tab: Tab, tmp_path: Path) -> None:
    file = written(tmp_path)
    tab.screen(*PHONE)
    tab.open(file)
    tab.value("document.querySelectorAll('style').forEach((sheet) => sheet.remove())")
    tab.value("document.querySelectorAll('[style]').forEach((one) => one.removeAttribute('style'))")

    text = tab.value("document.body.innerText")

    places = [text.index(word) for word in ("Accept?", "Needs you", "To paste", "Trouble", "Week by week")]
    assert places == sorted(places)
    assert "2026-W47\t" in text
