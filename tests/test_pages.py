"""The page of a replay in a real browser: what it shows, what it asks for, and whether it fits its screen.

The pictures stay under artefacts/ for a person to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.config import Config
from gateway.owner import for_comparison, for_reading
from gateway.page import page
from gateway.replay import Count, replay
from tests.chromium import FAINTEST, Tab, chromium
from tests.notifications import MX, linkedin, old_linkedin, ordinary, reminder

PHONE, DESKTOP = (390, 844), (1280, 800)
MARKUP = "<b onclick=go()>Eve</b><script>document.title='mine'</script>"
LONG = "Ö" * 90
ME = {"name": "Ada Miller", "addresses": "ada@example.org", "topics": "meadow ecology"}


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as opened:
        yield opened


def archive() -> Iterator[tuple[str, bytes]]:
    """A year and a half of invitations, some of them odd."""
    for week in range(78):
        age = timedelta(weeks=week, minutes=5)
        yield f"{week}a", linkedin(f"Bea Brook{week}", headline="Gardener at Lakeside College", age=age)
        if week % 2:
            yield f"{week}b", old_linkedin("Carl Castle", f"carl{week}@castle.example", age=age)
        if week % 3 == 0:
            met = "Hi Ada, we met at the workshop in Lyon and talked about meadow ecology."
            yield f"{week}c", linkedin("Dora Dorn", note=met, age=age)
        if week % 7 == 0:
            yield f"{week}d", linkedin("Emil Ember", dkim="fail", age=age)
    yield "known", linkedin("مريم الخطيب", slug="m-k", headline="مهندسة", invitation=77)
    yield "reminder", reminder("مريم الخطيب", slug="m-k", headline="مهندسة", invitation=77)
    yield "markup", linkedin(MARKUP, slug="eve", headline=MARKUP)
    yield "long", linkedin(LONG, slug="long", headline=LONG)
    yield "lunch", ordinary()
    yield "unreadable", b"X: y\r\n" * 400 + b"\r\n"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of one policy, and that of two."""
    folder, made = tmp_path_factory.mktemp("pages"), {}
    card = "BEGIN:VCARD\nVERSION:4.0\nFN:Bea Brook{0}\nEMAIL:bea{0}@example.net\nEND:VCARD\n"
    (folder / "book.vcf").write_text("".join(card.format(week) for week in range(0, 78, 5)))
    evidence = {"contacts": str(folder / "book.vcf")}
    mine = Config.model_validate({"me": ME, "evidence": evidence, "authentication": {"authserv_id": MX}})
    other = Config.model_validate({"policy": {"preset": "one-good-reason"}})
    owner, _ = for_reading(mine)
    for name, against in (("replay", None), ("compared", for_comparison(owner, mine, other))):
        count = Count()
        rows = list(replay(archive(), owner, count, against=against))
        made[name] = folder / f"{name}.html"
        made[name].write_text(page(rows, count, policies=["ada.toml", "other.toml"][: 2 if against else 1]), "utf-8")
    return made


@pytest.mark.parametrize("name", ["replay", "compared"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("screen", "size"), [("phone", PHONE), ("desktop", DESKTOP)])
def test_the_page_fits_its_screen(
    tab: Tab, pages: dict[str, Path], name: str, screen: str, size: tuple[int, int], dark: bool
) -> None:
    tab.screen(*size, dark=dark)
    tab.open(pages[name])

    picture = tab.picture(f"{name}-{screen}-{'dark' if dark else 'light'}")

    assert picture.stat().st_size > 10_000
    assert tab.value("document.documentElement.scrollWidth") == size[0]


def test_dark_is_dark_and_light_is_light(tab: Tab, pages: dict[str, Path]) -> None:
    brightness = {}
    for dark in (False, True):
        tab.screen(*DESKTOP, dark=dark)
        tab.open(pages["replay"])
        brightness[dark] = sum(tab.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"))

    assert brightness[False] > 700
    assert brightness[True] < 100


def test_every_text_stands_out_from_its_ground(tab: Tab, pages: dict[str, Path]) -> None:
    """WCAG AA: a contrast of 4.5 at least, in both schemes."""
    for dark in (False, True):
        tab.screen(*DESKTOP, dark=dark)
        tab.open(pages["compared"])

        assert tab.value(FAINTEST) >= 4.5


def test_no_request_leaves_the_page_and_nothing_is_complained_of(tab: Tab, pages: dict[str, Path]) -> None:
    tab.screen(*DESKTOP)

    tab.open(pages["replay"])

    assert tab.requests == [pages["replay"].as_uri()]
    assert tab.complaints == []


def test_markup_in_a_name_is_shown_and_does_nothing(tab: Tab, pages: dict[str, Path]) -> None:
    tab.screen(*DESKTOP)
    tab.open(pages["replay"])

    assert tab.value("document.title") == "What your policy would have done"
    assert tab.value("document.querySelectorAll('[onclick], tbody script').length") == 0
    assert MARKUP in tab.value("document.body.innerText")


def test_a_script_that_got_in_would_not_run(tab: Tab, pages: dict[str, Path], tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.html"
    intruder = "<script>document.title = 'mine'</script><img src=x onerror=\"document.title = 'mine'\">"
    spoilt.write_text(pages["replay"].read_text("utf-8").replace("<main>", f"<main>{intruder}"), "utf-8")
    tab.screen(*DESKTOP)

    tab.open(spoilt)

    assert tab.value("document.title") == "What your policy would have done"
    assert tab.requests == [spoilt.as_uri()]


SHOWN = "[...document.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility()).length"


def test_words_and_verdicts_choose_what_is_shown(tab: Tab, pages: dict[str, Path]) -> None:
    tab.screen(*DESKTOP)
    tab.open(pages["replay"])
    whole = tab.value(SHOWN)

    tab.click("#find")
    tab.write("carl castle")
    of_carl = tab.value(SHOWN), tab.value("document.querySelector('output').textContent")
    tab.click("#verdicts .decline input")

    assert whole == 160
    assert of_carl == (39, "39 of 160")
    assert tab.value(SHOWN) == 0
    assert tab.value("document.getElementById('none').checkVisibility()")


def test_without_a_script_the_page_is_a_plain_table(tab: Tab, pages: dict[str, Path]) -> None:
    tab.screen(*DESKTOP, script=False)
    tab.open(pages["replay"])
    tab("Emulation.setScriptExecutionDisabled", value=False)

    assert not tab.value("document.querySelector('form').checkVisibility()")
    assert tab.value(SHOWN) == 160


def test_on_paper_the_page_is_black_on_white_and_has_no_form(tab: Tab, pages: dict[str, Path]) -> None:
    tab.screen(800, 1130, dark=True, medium="print")
    tab.open(pages["replay"])

    tab.picture("replay-print")

    assert tab.value("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.value("document.querySelector('form').checkVisibility()")


def test_one_month_is_no_wall_and_a_long_archive_is_shown_by_years(tab: Tab, tmp_path: Path) -> None:
    owner, _ = for_reading(Config.model_validate({"me": ME, "authentication": {"authserv_id": MX}}))
    bars = {}
    for weeks in (1, 300):
        count, file = Count(), tmp_path / f"{weeks}.html"
        mails = [("now", linkedin("Bea Brook")), ("then", linkedin("Carl Castle", age=timedelta(weeks=weeks)))]
        file.write_text(page(list(replay(mails, owner, count)), count, policies=["ada.toml"]), "utf-8")
        tab.screen(*PHONE)
        tab.open(file)
        bars[weeks] = tab.value("document.querySelectorAll('figure g').length")
        assert tab.value("document.documentElement.scrollWidth") == PHONE[0]

    assert bars[1] == 12
    assert bars[300] in (6, 7)
