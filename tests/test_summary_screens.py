"""The weekly summary in a real browser, as mail programs show it: on a phone, on a desk, in the dark.

The pictures stay under artefacts/ for a person to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest

from gateway.blindness import Blindness, Sense
from gateway.commands import links_of
from gateway.digest import compose
from gateway.digest.facts import Facts, WeekCount
from gateway.digest.html import as_html
from gateway.digest.weeks import Rhythm
from gateway.digest.words import words
from gateway.journal.conversation import Outcome
from gateway.journal.index import SourceState
from gateway.model import Channel, State, Verdict
from tests.chromium import FAINTEST, Tab, chromium
from tests.test_digest import BERLIN, LANGUAGES, WEEK, a_week_of_everything, entry, reply, saying

PHONE, DESKTOP = (390, 844), (1000, 900)
RHYTHM = Rhythm.of("mon", "08:00", BERLIN)


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as opened:
        yield opened


def written(folder: Path, language: str = "en") -> Path:
    """A full week, with a stranger who tries everything."""
    history: list[WeekCount] = []
    week = WEEK
    for number in range(12):
        counts = {Verdict.ACCEPT: number % 3, Verdict.HUMAN: (number * 5) % 4, Verdict.DECLINE: 11 - number}
        history.insert(0, WeekCount(week, counts))
        week = RHYTHM.before(week)
    intruder = saying(f"<img src=https://example.net/x.png>{'Ö' * 120} \u202egnp", 20)
    wrote, moved = entry(21, "decline", State.SENT, reply=reply(Channel.REPLY_TO)), entry(22, "decline")
    facts = Facts(
        week=WEEK,
        rhythm=RHYTHM,
        entries=[*a_week_of_everything(), intruder, wrote, moved],
        wrote=[("c21", 'p@example.net answers your letter: "Dear Ada, what a pity! We met in Lyon, did we not?"')],
        moved=[("c22", "decline -> accept-candidate (rule friends)")],
        overruled=[("c22", "mail moved from Invitations/Declined to Invitations/Accept")],
        opened_by={"c21": wrote, "c22": moved},
        sources=[SourceState("contacts.vcf", "", WEEK.start, "is not there any more")],
        mailbox=Blindness(
            Sense.MAILBOX, WEEK.end - timedelta(days=2), "imap.example.org: the certificate ended yesterday"
        ),
        quiet_since=WEEK.start - timedelta(days=40),
        history=history,
        outcomes=[Outcome("previous-interaction", 14, 3, 1, 0, 1), Outcome("ask-why", 4, 2, 0, 0, 0)],
        paused=True,
    )
    links = links_of(facts.people, b"k" * 32, "ada@example.org", WEEK.end)
    contents = compose(facts, words(language), links, texts={"c2": "Thank you, but I only connect with people I met."})
    file = folder / f"summary-{language}.html"
    file.write_text(as_html(contents), "utf-8")
    return file


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("screen", "size"), [("phone", PHONE), ("desktop", DESKTOP)])
def test_the_summary_can_be_read_on_a_screen(
    tab: Tab, tmp_path: Path, screen: str, size: tuple[int, int], dark: bool
) -> None:
    file = written(tmp_path)
    tab.screen(*size, dark=dark)

    tab.open(file)
    tab.picture(f"summary-{screen}-{'dark' if dark else 'light'}", whole=True)

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

    titles = ("They wrote", "Accept?", "Needs you", "To paste", "Trouble", "What became of", "Week by week")
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert "2026-W47\t11" in text


def test_without_a_sheet_in_the_head_light_is_light_on_every_screen(tab: Tab, tmp_path: Path) -> None:
    """Mail programs that drop the head show what stands at the elements alone."""
    file = written(tmp_path)
    bare = re.sub(r"<style.*?</style>", "", file.read_text("utf-8"), flags=re.DOTALL)
    file.write_text(bare, "utf-8")
    tab.screen(*PHONE, dark=True)

    tab.open(file)
    tab.picture("summary-phone-without-sheet", whole=True)

    assert tab.value("document.documentElement.scrollWidth") == PHONE[0]
    assert tab.value("getComputedStyle(document.querySelector('.paper')).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.value("getComputedStyle(document.querySelector('h1')).color") == "rgb(27, 34, 48)"


def test_a_thumb_hits_one_link_at_a_time(tab: Tab, tmp_path: Path) -> None:
    """WCAG 2.2: targets of 24 pixels at least, none above another."""
    tab.screen(*PHONE)
    tab.open(written(tmp_path))

    boxes = tab.value(
        "[...document.querySelectorAll('a')]"
        ".map((a) => a.getBoundingClientRect()).map((b) => [b.x, b.y, b.right, b.bottom])"
    )

    assert len(boxes) > 40
    assert min(min(right - left, bottom - top) for left, top, right, bottom in boxes) >= 24
    overlaps = [
        (a, b) for a, b in combinations(boxes, 2) if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]
    assert overlaps == []
