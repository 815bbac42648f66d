import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import gateway.digest.words
from gateway.digest import Facts, Rhythm, Week, as_mail, compose, summarise
from gateway.digest.contents import Links
from gateway.digest.facts import WeekCount, quiet_since
from gateway.digest.html import LARGEST, as_html
from gateway.digest.text import as_text
from gateway.digest.words import words
from gateway.journal.conversation import Outcome
from gateway.journal.index import SourceState
from gateway.model import AnswerLink, Channel, Entry, Mailbox, Reply, State, Verdict

LANGUAGES = {file.stem for file in Path(gateway.digest.words.__file__).parent.glob("*.toml")}
BERLIN = ZoneInfo("Europe/Berlin")
WEEK = Week("2026-W47", datetime(2026, 11, 16, 7, tzinfo=UTC), datetime(2026, 11, 23, 7, tzinfo=UTC))


def entry(number: int, verdict: str, state: State = State.CLOSED, **changes: object) -> Entry:
    judgement = {
        "kind": "invitation",
        "network": "linkedin",
        "inviter": {
            "name": f"Person {number}",
            "headline": "Cook",
            "profile_url": f"https://www.linkedin.com/in/p{number}",
        },
        "note": {"kind": "personal", "text": "Hello\nthere", "signals": []},
        "authentic": "pass",
        "verdict": verdict,
        "because": ["nobody of this name is in your records"],
        "known_why": "nobody of this name",
    }
    given = {"id": number, "key": f"k{number}", "state": state, "taken_in": WEEK.start, "tries": 1}
    return Entry(**{**given, "case": f"c{number}", "judgement": judgement, **changes})  # type: ignore[arg-type]


def reply(channel: Channel) -> Reply:
    to = None if channel is Channel.PASTE else "p@example.net"
    return Reply("short", "en", channel, to, "Subject", "Body", "Thank you, but no.")


def facts(*entries: Entry, **more: object) -> Facts:
    return Facts(week=WEEK, rhythm=Rhythm.of("mon", "08:00", BERLIN), entries=entries, **more)  # type: ignore[arg-type]


def text_of(*entries: Entry, language: str = "en", **more: object) -> str:
    return as_text(compose(facts(*entries, **more), words(language), {}))


def html_of(*entries: Entry, links: Links = MappingProxyType({}), **more: object) -> str:
    return as_html(compose(facts(*entries, **more), words("en"), links))


def a_week_of_everything() -> list[Entry]:
    return [
        entry(1, "accept-candidate"),
        entry(2, "needs-human", reply=reply(Channel.PASTE)),
        entry(3, "decline", State.SENT, reply=reply(Channel.REPLY_TO)),
        entry(4, "decline", reply=reply(Channel.PASTE), why="no mail reaches the inviter"),
        entry(5, "decline", State.UNCERTAIN, reply=reply(Channel.ADDRESS), why="cut off"),
        entry(6, "ignore", judgement=None),
        entry(7, "decline", why="draft mode: nothing is sent"),
        entry(8, "decline", State.UNREADABLE, judgement=None, case=None, why="linkedin: no inviter found"),
    ]


def test_each_case_stands_in_the_section_it_belongs_to() -> None:
    text = text_of(*a_week_of_everything())

    titles = ["Accept? (1)", "Needs you (1)", "To paste (1)", "Declined and answered (2)", "Declined quietly (1)"]
    places = [text.index(title) for title in (*titles, "Trouble (2)")]
    assert places == sorted(places)
    assert "c1  Person 1, Cook (linkedin)" in text[places[0] : places[1]]
    assert "Your records: nobody" in text[places[1] : places[2]]
    assert "Thank you, but no." in text[places[1] : places[2]]
    assert "c4 " in text[places[2] : places[3]]
    assert "Draft mode: nothing is sent." in text[places[4] : places[5]]
    assert "rsvpd retry c5" in text[places[5] :]
    assert "linkedin: no inviter found" in text[places[5] :]
    assert "Invitations: 6, answered: 1, uncertain: 1." in text


def test_an_answer_that_came_back_has_a_section_of_its_own() -> None:
    back = entry(3, "decline", State.REFUSED, reply=reply(Channel.REPLY_TO), why="the answer came back")

    text = text_of(back, came_back=[back])

    assert "Came back (1)" in text
    assert "Trouble" not in text
    assert "Declined and answered" not in text


def test_what_became_of_the_letters_is_told_by_template_in_weeks_with_invitations() -> None:
    outcomes = [Outcome("short", sent=12, answered=3, connected=1, offended=0, bounced=2)]

    text = text_of(entry(1, "accept-candidate"), outcomes=outcomes)

    assert "short: sent 12, answered 3, connected later 1, came back 2" in text
    assert "letters" not in text_of(outcomes=outcomes)


def test_what_does_not_work_is_told() -> None:
    gone = SourceState("contacts.vcf", "", WEEK.start, "is not there")

    text = text_of(sources=[gone], quiet_since=WEEK.start - timedelta(days=30), moved=[("c9", "decline -> accept")])

    assert "contacts.vcf cannot be read: is not there." in text
    assert "No invitation has been recognised since 17 Oct 2026" in text
    assert "c9: decline -> accept" in text


def test_silence_is_unusual_only_beside_what_is_usual() -> None:
    weekly = [WEEK.start + timedelta(weeks=number) for number in range(8)]

    assert quiet_since(weekly, weekly[-1] + timedelta(weeks=4)) is None
    assert quiet_since(weekly, weekly[-1] + timedelta(weeks=4, days=1)) == weekly[-1]
    assert quiet_since(weekly[:5], weekly[-1] + timedelta(weeks=40)) is None


def test_several_a_day_are_not_missed_after_a_quiet_week() -> None:
    hourly = [WEEK.start + timedelta(hours=number) for number in range(20)]

    assert quiet_since(hourly, hourly[-1] + timedelta(days=13)) is None
    assert quiet_since(hourly, hourly[-1] + timedelta(days=15)) == hourly[-1]


def test_a_mail_that_may_be_forged_leads_the_owner_nowhere() -> None:
    forged = entry(1, "needs-human")
    assert forged.judgement is not None
    suspect = entry(1, "needs-human", judgement={**forged.judgement, "authentic": "fail"})

    for form in (text_of(suspect), html_of(suspect)):
        assert "https://" not in form
        assert "Not proved genuine" in form


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_an_empty_week_says_so_in_two_lines(language: str) -> None:
    text = text_of(language=language)

    assert len(text.splitlines()) == 3
    assert "2026-W47" in text
    assert "{" not in text


def test_the_empty_week_in_english() -> None:
    assert text_of() == "Your invitations, 16 Nov to 23 Nov 2026 (2026-W47)\n\nNo invitations this week.\n"


def test_a_week_without_the_program_is_not_called_empty() -> None:
    assert "did not run this week" in text_of(asleep=True)


def test_a_pause_is_not_forgotten() -> None:
    assert "Sending is paused" in text_of(paused=True)


def test_a_reminder_of_a_handled_case_is_counted_but_not_repeated() -> None:
    reminder = entry(2, "decline", why="continues c1: nothing new")

    assert "c2" not in text_of(entry(1, "accept-candidate"), reminder)


def test_no_line_of_the_text_is_longer_than_a_mail_line_should_be() -> None:
    long = entry(1, "needs-human")
    assert long.judgement is not None
    judgement = {**long.judgement, "note": {"kind": "personal", "text": "word " * 200, "signals": []}}

    assert max(map(len, text_of(entry(1, "needs-human", judgement=judgement)).splitlines())) <= 78


def test_every_language_has_the_same_words_with_the_same_holes() -> None:
    english = dict(leaves(words("en").table))

    for language in LANGUAGES:
        found = dict(leaves(words(language).table))
        assert found.keys() == english.keys(), language
        for key, text in found.items():
            assert holes(text) == holes(english[key]), f"{language}: {key}"


def leaves(table: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(table, str):
        yield path, table
        return
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        yield from leaves(value, f"{path}.{key}")


def holes(text: str) -> set[str]:
    return {hole for _, hole, _, _ in Formatter().parse(text) if hole is not None}


def test_a_language_without_a_file_is_english() -> None:
    assert words("xx").language == "en"
    assert words("de-AT").language == "de"


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</p></div></body><h1>gone",
    "{title}{0.__class__}",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "\u202egnp.exe\u2066",
    "a\x00b\x1bc\u2028d",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_stranger_becomes_markup(text: str) -> None:
    page = html_of(saying(text))

    assert elements(page) == elements(html_of(saying("benign")))
    assert not {c for c in page if unicodedata.category(c) in ("Cc", "Cf")} - {"\n"}


def saying(what: str) -> Entry:
    """An invitation that says so wherever a stranger can say something."""
    plain = entry(1, "needs-human").judgement
    assert plain is not None
    inviter = {**plain["inviter"], "name": what, "headline": what}
    note = {"kind": "personal", "text": what, "signals": []}
    judgement = {**plain, "inviter": inviter, "note": note, "because": [what], "known_why": what}
    return entry(1, "needs-human", judgement=judgement)


def elements(page: str) -> Counter[tuple[str, tuple[str, ...]]]:
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found[tag, tuple(sorted(name for name, _ in attrs))] += 1

    Reader().feed(page)
    return found


def test_the_page_asks_for_nothing_from_outside() -> None:
    page = html_of(*a_week_of_everything(), history=[WeekCount(WEEK, {Verdict.ACCEPT: 1, Verdict.DECLINE: 3})])

    tags = {tag for tag, _ in elements(page)}
    assert not tags & {"img", "link", "script", "iframe", "object", "form", "video", "audio", "svg", "base"}
    assert not re.findall(r"url\(|@import|\bsrc=", page)
    assert set(re.findall(r'href="([a-z]+):', page)) == {"https"}


def test_what_an_item_may_be_answered_with_is_a_link() -> None:
    links = {"c1": (AnswerLink("decline", "mailto:ada@example.org?subject=x&body=y"),)}

    assert 'href="mailto:ada@example.org?subject=x&amp;body=y"' in html_of(entry(1, "accept-candidate"), links=links)
    contents = compose(facts(entry(1, "accept-candidate")), words("en"), links)
    assert "answer this mail with lines like: decline c1" in as_text(contents)


def test_a_flood_of_invitations_leaves_a_mail_that_is_shown_whole() -> None:
    page = html_of(*(entry(number, "needs-human") for number in range(2000)))

    assert len(page.encode()) <= LARGEST
    assert re.search(r"and \d+ more", page)


@pytest.mark.parametrize("day", ["mon", "wed", "fri", "sun"])
@pytest.mark.parametrize("at", ["00:00", "02:30", "08:00", "23:59"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Santiago", "Pacific/Apia", "UTC"])
def test_a_year_has_each_week_once_through_every_change_of_clocks(day: str, at: str, zone: str) -> None:
    rhythm = Rhythm.of(day, at, ZoneInfo(zone))  # type: ignore[arg-type]
    moment, weeks = datetime(2026, 1, 10, tzinfo=UTC), []

    while moment < datetime(2027, 1, 10, tzinfo=UTC):
        weeks.append(rhythm.last_over(moment))
        moment += timedelta(hours=1)

    distinct = list(dict.fromkeys(weeks))
    assert len(distinct) in (53, 54)  # the year begins and ends within a week
    assert len({week.name for week in distinct}) == len(distinct)
    assert all(one.end == two.start for one, two in pairwise(distinct))
    assert all(rhythm.named(week.name) == week for week in distinct)


def test_a_week_is_named_by_where_most_of_it_lies() -> None:
    monday = Rhythm.of("mon", "08:00", BERLIN).last_over(datetime(2026, 11, 23, 7, 0, tzinfo=UTC))
    friday = Rhythm.of("fri", "17:00", BERLIN).last_over(datetime(2026, 11, 20, 16, 0, tzinfo=UTC))

    assert monday == WEEK
    assert friday.name == "2026-W47"


@pytest.mark.parametrize("name", ["2026-47", "last", "2026-W60"])
def test_a_week_that_does_not_exist_is_said_so(name: str) -> None:
    with pytest.raises(ValueError, match=r"week|Invalid"):
        Rhythm.of("mon", "08:00", BERLIN).named(name)


def test_the_mail_is_from_the_owner_to_the_owner_and_generated_not_replied() -> None:
    raw = as_mail(
        summarise(compose(facts(), words("en"), {})),
        owner=Mailbox("Ada", "ada@example.org"),
        to="ada@example.org",
        week=WEEK,
        message_id="<d@example.org>",
        now=WEEK.end,
    )

    assert b"Auto-Submitted: auto-generated\r\n" in raw
    assert b"Subject: Your invitations, 16 Nov to 23 Nov 2026 (2026-W47)\r\n" in raw
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert max(map(len, raw.split(b"\r\n"))) <= 998
