from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from gateway.digest import Rhythm, Week, as_mail, compose
from gateway.model import Channel, Entry, Mailbox, Reply, State

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
    }
    given = {"id": number, "key": f"k{number}", "state": state, "taken_in": WEEK.start, "tries": 1}
    return Entry(**{**given, "case": f"c{number}", "judgement": judgement, **changes})  # type: ignore[arg-type]


def reply(channel: Channel) -> Reply:
    to = None if channel is Channel.PASTE else "p@example.net"
    return Reply("short", "en", channel, to, "Subject", "Body", "Thank you, but no.")


def test_each_case_stands_in_the_section_it_belongs_to() -> None:
    entries = [
        entry(1, "accept-candidate"),
        entry(2, "needs-human"),
        entry(3, "decline", State.SENT, reply=reply(Channel.REPLY_TO)),
        entry(4, "decline", reply=reply(Channel.PASTE), why="no mail reaches the inviter"),
        entry(5, "decline", State.UNCERTAIN, reply=reply(Channel.ADDRESS), why="cut off"),
        entry(6, "ignore", judgement=None),
    ]

    text = compose(entries, WEEK, BERLIN)

    titles = ["Accept? (1)", "Needs you (1)", "To paste (1)", "Declined (2)", "Trouble (1)"]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert "c1  Person 1, Cook (linkedin)" in text[places[0] : places[1]]
    assert "Thank you, but no." in text[places[2] : places[3]]
    assert "rsvpd retry c5" in text[places[4] :]
    assert "5 invitations, 1 answered, 1 uncertain." in text


def test_a_mail_that_may_be_forged_leads_the_owner_nowhere() -> None:
    forged = entry(1, "needs-human")
    assert forged.judgement is not None

    text = compose([entry(1, "needs-human", judgement={**forged.judgement, "authentic": "fail"})], WEEK, BERLIN)

    assert "https://" not in text
    assert "Not proved genuine" in text


def test_an_empty_week_says_so_in_two_lines() -> None:
    text = compose([], WEEK, BERLIN)

    assert text == "Your invitations, 16 Nov to 23 Nov 2026 (2026-W47)\n\nNo invitations this week.\n"


def test_a_pause_is_not_forgotten() -> None:
    assert "Sending is paused" in compose([], WEEK, BERLIN, paused=True)


def test_a_reminder_of_a_handled_case_is_counted_but_not_repeated() -> None:
    reminder = entry(2, "decline", why="continues c1: nothing new")

    text = compose([entry(1, "accept-candidate"), reminder], WEEK, BERLIN)

    assert "c2" not in text


def test_no_line_of_the_text_is_longer_than_a_mail_line_should_be() -> None:
    long = entry(1, "needs-human")
    assert long.judgement is not None
    judgement = {**long.judgement, "note": {"kind": "personal", "text": "word " * 200, "signals": []}}

    text = compose([entry(1, "needs-human", judgement=judgement)], WEEK, BERLIN)

    assert max(map(len, text.splitlines())) <= 78


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
    text = compose([], WEEK, BERLIN)

    raw = as_mail(
        text,
        owner=Mailbox("Ada", "ada@example.org"),
        to="ada@example.org",
        week=WEEK,
        message_id="<d@example.org>",
        now=WEEK.end,
    )

    assert b"Auto-Submitted: auto-generated\r\n" in raw
    assert b"Subject: Your invitations, 16 Nov to 23 Nov 2026 (2026-W47)\r\n" in raw
