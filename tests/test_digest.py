import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
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
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

import gateway.digest.words
from gateway.blindness import Blindness, Sense
from gateway.commands import links_of
from gateway.commands import read as read_order
from gateway.digest import Facts, Rhythm, Week, as_mail, compose, summarise
from gateway.digest.facts import WeekCount, count_weeks, quiet_since
from gateway.digest.html import LARGEST, as_html
from gateway.digest.items import Links
from gateway.digest.shown import web_address
from gateway.digest.text import as_text
from gateway.digest.words import words
from gateway.journal.conversation import Outcome
from gateway.journal.index import SourceState
from gateway.mail import parse
from gateway.model import AnswerLink, Channel, Entry, Mailbox, Reply, State, Verdict
from gateway.pipeline import DRAFTED, OBSERVED, TOO_OLD

LANGUAGES = {file.stem for file in Path(gateway.digest.words.__file__).parent.glob("*.toml")}
BERLIN = ZoneInfo("Europe/Berlin")
WEEK = Week("2026-W47", datetime(2026, 11, 16, 7, tzinfo=UTC), datetime(2026, 11, 23, 7, tzinfo=UTC))


def entry(number: int, verdict: str, state: State = State.CLOSED, /, **changes: object) -> Entry:
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
    case = {"case": f"c{number}", "verdict": Verdict(verdict)}
    return Entry(**{**given, **case, "judgement": judgement, **changes})  # type: ignore[arg-type]


def reply(channel: Channel) -> Reply:
    to = None if channel is Channel.PASTE else "p@example.net"
    return Reply("short", "en", channel, to, "Subject", "Body", "Thank you, but no.")


def facts(*entries: Entry, **more: object) -> Facts:
    return Facts(week=WEEK, rhythm=Rhythm.of("mon", "08:00", BERLIN), entries=entries, **more)  # type: ignore[arg-type]


def text_of(*entries: Entry, language: str = "en", links: Links = MappingProxyType({}), **more: object) -> str:
    return as_text(compose(facts(*entries, **more), words(language), links))


def html_of(*entries: Entry, links: Links = MappingProxyType({}), **more: object) -> str:
    return as_html(compose(facts(*entries, **more), words("en"), links))


def every_link(*entries: Entry) -> Links:
    return links_of(entries, b"k" * 32, "ada@example.org", WEEK.end)


def section_of(text: str, title: str) -> str:
    """What stands below a heading of a summary's text, up to the next."""
    found = re.search(rf"^{re.escape(title)}(?: \(\d+\))?\n-+\n(.*?)(?:\n\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def a_week_of_everything() -> list[Entry]:
    return [
        entry(1, "accept-candidate"),
        entry(2, "needs-human", reply=reply(Channel.PASTE)),
        entry(3, "decline", State.SENT, reply=reply(Channel.REPLY_TO)),
        entry(4, "decline", reply=reply(Channel.PASTE), why="no mail reaches the inviter"),
        entry(5, "decline", State.UNCERTAIN, reply=reply(Channel.ADDRESS), why="cut off"),
        entry(6, "ignore", judgement=None),
        entry(7, "decline", reply=reply(Channel.ADDRESS), why=DRAFTED),
        entry(9, "decline", reply=reply(Channel.ADDRESS), why=TOO_OLD),
        entry(10, "decline", reply=reply(Channel.ADDRESS), why=OBSERVED),
        entry(11, "decline"),
        entry(8, "decline", State.UNREADABLE, judgement=None, case=None, why="linkedin: no inviter found"),
    ]


def test_each_case_stands_in_the_section_it_belongs_to() -> None:
    text = as_text(compose(facts(*a_week_of_everything()), words("en"), {}, texts={"c2": "Sorry, no."}))

    titles = [
        *("Accept? (1)", "Needs you (1)", "To paste (1)", "Drafted (1)", "Would be answered (1)"),
        *("Too old to be answered unasked (1)", "Declined and answered (1)", "Declined quietly (1)"),
    ]
    places = [text.index(title) for title in (*titles, "Trouble (2)")]
    assert places == sorted(places)
    assert "c1  Person 1, Cook (linkedin)" in section_of(text, "Accept?")
    assert "Your records: nobody" in section_of(text, "Needs you")
    assert "Text to paste if you decline:\n    Sorry, no." in section_of(text, "Needs you")
    assert "Text to paste:\n    Thank you, but no." in section_of(text, "To paste")
    assert "c3 " in section_of(text, "Declined and answered")
    assert "c7 " in section_of(text, "Drafted")
    assert "lies in your Drafts folder" in section_of(text, "Drafted")
    assert "c9 " in section_of(text, "Too old to be answered unasked")
    assert "c10 " in section_of(text, "Would be answered")
    assert "c11 " in section_of(text, "Declined quietly")
    trouble = section_of(text, "Trouble")
    assert "c5  Person 5" in trouble
    assert "rsvpd retry c5" in trouble
    assert "could not be read: 1 (linkedin: no inviter found)" in trouble
    assert "Invitations: 9, accept?: 1, needs you: 1, declined: 7.\nanswered: 1, uncertain: 1." in text


def test_what_the_owner_decided_needs_them_no_more() -> None:
    decided = entry(2, "needs-human", verdict=Verdict.DECLINE)
    judged_again = entry(3, "needs-human", verdict=Verdict.ACCEPT)

    text = text_of(decided, judged_again, overruled=[("c2", "declined by the owner")], opened_by={"c2": decided})

    assert section_of(text, "Needs you") == ""
    assert "c3 " in section_of(text, "Accept?")
    told = section_of(text, "Decided by you")
    assert "c2  Person 2, Cook (linkedin)\n  declined by the owner\n" in told
    assert "https://www.linkedin.com/in/p2" in told


@pytest.mark.parametrize(
    "left",
    [
        entry(2, "decline", reply=reply(Channel.PASTE), why="the short text waits to be pasted", dealt_with=True),
        entry(2, "decline", reply=reply(Channel.ADDRESS), why=DRAFTED, dealt_with=True),
        entry(2, "decline", reply=reply(Channel.ADDRESS), why=OBSERVED, dealt_with=True),
        entry(2, "decline", reply=reply(Channel.ADDRESS), why=TOO_OLD, dealt_with=True),
    ],
    ids=["paste", "drafted", "observed", "old"],
)
def test_what_the_owner_declined_in_a_later_week_is_offered_no_more(left: Entry) -> None:
    text = text_of(left)

    told = section_of(text, "Declined quietly")
    assert "c2 " in told
    assert not re.search("paste|draft|only if you say so", told, re.IGNORECASE)


def test_of_several_words_of_the_owners_about_a_case_the_last_is_told() -> None:
    words_said = [("c2", "approved by the owner"), ("c3", "approved by the owner"), ("c2", "declined by the owner")]
    people = {f"c{number}": entry(number, "decline") for number in (2, 3)}

    told = section_of(text_of(*people.values(), overruled=words_said, opened_by=people), "Decided by you")

    assert [line for line in told.splitlines() if line.startswith(("* ", "  de", "  app"))] == [
        "* c2  Person 2, Cook (linkedin)",
        "  declined by the owner",
        "* c3  Person 3, Cook (linkedin)",
        "  approved by the owner",
    ]


def test_a_draft_that_the_owner_asked_for_is_told_with_their_word() -> None:
    left = entry(2, "needs-human", reply=reply(Channel.ADDRESS), why=DRAFTED, verdict=Verdict.DECLINE)

    told = section_of(text_of(left, overruled=[("c2", "declined")], opened_by={"c2": left}), "Decided by you")

    assert "  declined\n  The answer lies in your Drafts folder: send it or delete it.\n" in told


def test_a_draft_offers_no_decline_and_what_is_too_old_does() -> None:
    draft, old = (entry(n, "decline", reply=reply(Channel.ADDRESS), why=why) for n, why in ((1, DRAFTED), (2, TOO_OLD)))

    page = html_of(draft, old, links=every_link(draft, old))

    assert page.count(">decline</a>") == 1
    assert page.index(">c2<") < page.index(">decline</a>")


def test_what_the_owner_put_aside_for_review_still_needs_them() -> None:
    aside = entry(2, "decline", verdict=Verdict.HUMAN)

    text = text_of(aside, overruled=[("c2", "moved from Declined to Review")], opened_by={"c2": aside})

    assert "c2 " in section_of(text, "Needs you")
    assert "c2 " in section_of(text, "Decided by you")


def test_what_the_records_say_is_not_said_twice() -> None:
    told = entry(1, "needs-human").judgement
    assert told is not None

    text = text_of(entry(1, "needs-human", judgement={**told, "because": ["it is unclear", "nobody of this name"]}))

    assert "Why: it is unclear\n  - nobody of this name\n" in text
    assert "Your records" not in text


def test_who_wrote_back_is_told_with_their_words_and_in_no_other_section() -> None:
    letter = entry(2, "decline", State.SENT, reply=reply(Channel.REPLY_TO), verdict=Verdict.HUMAN)

    text = text_of(letter, wrote=[("c2", 'p@example.net answers your letter: "Oh!"')], opened_by={"c2": letter})

    assert 'c2  Person 2, Cook (linkedin)\n  p@example.net answers your letter: "Oh!"' in section_of(text, "They wrote")
    assert text.count("c2 ") == 1


def test_an_invitation_of_last_week_is_told_when_it_is_answered_but_not_counted_again() -> None:
    late = entry(3, "decline", State.SENT, reply=reply(Channel.REPLY_TO), taken_in=WEEK.start - timedelta(hours=1))

    text = text_of(late)

    assert "c3 " in section_of(text, "Declined and answered")
    assert "Invitations:" not in text
    assert "answered: 1." in text


def test_whoever_was_erased_is_not_told_of() -> None:
    gone = entry(3, "decline", State.REFUSED, judgement=None, why="erased at the owner's word")

    text = text_of(gone, came_back=[gone], wrote=[("c3", "erased at the owner's word")], opened_by={"c3": gone})

    assert "Person 3" not in text
    assert "c3: erased at the owner's word" in section_of(text, "They wrote")


def test_an_answer_that_came_back_has_a_section_of_its_own() -> None:
    back = entry(3, "decline", State.REFUSED, reply=reply(Channel.REPLY_TO), why="the answer came back")

    text = text_of(back, came_back=[back])

    assert "Came back (1)" in text
    assert "Trouble" not in text
    assert "Declined and answered" not in text


def test_what_does_not_work_is_told() -> None:
    gone = SourceState("contacts.vcf", "", WEEK.start, "is not there")

    text = text_of(sources=[gone], quiet_since=WEEK.start - timedelta(days=30), moved=[("c9", "decline -> accept")])

    assert "contacts.vcf cannot be read: is not there." in text
    assert "No invitation has been recognised since 17 Oct 2026" in text
    assert "c9: decline -> accept" in text


def test_mails_that_cannot_be_read_are_counted_by_reason_not_listed() -> None:
    unknown = {"judgement": None, "case": None, "verdict": None, "why": "linkedin: a form I do not know"}
    mails = [entry(number, "decline", State.UNREADABLE, **unknown) for number in range(50)]
    waiting = entry(60, "decline", State.NEW, judgement=None, case=None, verdict=None)

    trouble = section_of(text_of(*mails, waiting), "Trouble")

    assert trouble.count("* ") == 2
    assert "could not be read: 50 (linkedin: a form I do not know)" in " ".join(trouble.split())
    assert "not judged yet, because no name server answers: 1." in trouble


def test_a_source_that_never_could_be_read_promises_nothing() -> None:
    never = SourceState("https://dav.example.org/", "", None, "the server is away")

    assert "Nothing is known from it yet." in " ".join(text_of(sources=[never]).split())


def test_what_keeps_all_of_it_from_working_stands_above_the_week() -> None:
    since = WEEK.end - timedelta(days=3)
    away = Blindness(Sense.MAILBOX, since, "imap.example.org: no connection")

    told = " ".join(text_of(entry(1, "needs-human"), mailbox=away, faulty="ada.toml: line 3").split())

    assert "since 20 Nov 2026: imap.example.org: no connection." in told
    assert told.index("imap.example.org") < told.index("ada.toml: line 3") < told.index("Person 1")


def test_a_week_with_nothing_but_a_mailbox_that_is_away_is_not_empty() -> None:
    away = Blindness(Sense.MAILBOX, WEEK.start, "imap.example.org: no connection")

    assert "imap.example.org: no connection" in " ".join(text_of(mailbox=away).split())


def test_a_login_that_ends_soon_is_told_while_there_is_still_one() -> None:
    assert "your sign-in at Google ends in 5 days" in text_of(logins=["your sign-in at Google ends in 5 days"])


def test_the_fate_of_letters_is_told_by_reply() -> None:
    sent = [Outcome("ask-why", 4, 2, 1, 0, 0), Outcome("short", 3, 0, 0, 0, 0)]

    text = text_of(entry(1, "decline", State.SENT, reply=reply(Channel.ADDRESS)), outcomes=sent)

    told = section_of(text, "What became of your letters")
    assert "* ask-why: sent 4, answered 2, connected later 1\n* short: sent 3" in told


def test_weeks_are_compared_from_the_first_with_an_invitation() -> None:
    week = WEEK
    history: list[WeekCount] = []
    for number in range(12):
        history.insert(0, WeekCount(week, {Verdict.DECLINE: 2 if number in (0, 5) else 0}))
        week = Rhythm.of("mon", "08:00", BERLIN).before(week)

    chart = section_of(text_of(entry(1, "decline"), history=history), "Week by week")

    assert re.findall(r"^2026-W(\d+) +(\d+)", chart, re.MULTILINE) == [
        ("42", "2"), ("43", "0"), ("44", "0"), ("45", "0"), ("46", "0"), ("47", "2"),
    ]  # fmt: skip


def test_cases_are_counted_in_the_week_they_were_opened_in() -> None:
    before = Rhythm.of("mon", "08:00", BERLIN).before(WEEK)
    last_moment = WEEK.start - timedelta(microseconds=1)

    found = count_weeks(
        [before, WEEK], [(last_moment, Verdict.ACCEPT), (WEEK.start, Verdict.DECLINE), (WEEK.start, Verdict.DECLINE)]
    )

    assert [(count.total, count.verdicts[Verdict.ACCEPT]) for count in found] == [(1, 1), (2, 0)]


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


def test_nothing_is_added_to_an_empty_week() -> None:
    earlier = [WeekCount(WEEK, {Verdict.ACCEPT: 4})]

    contents = compose(facts(history=earlier, outcomes=[Outcome("short", 3, 0, 0, 0, 0)]), words("en"), {}, suggested=2)

    assert contents.empty
    assert len(as_text(contents).splitlines()) == 3


@pytest.mark.parametrize(
    "happened",
    [
        {"entries": [entry(1, "accept-candidate")]},
        {"entries": [entry(1, "decline", State.UNREADABLE, judgement=None, case=None, verdict=None)]},
        {"quiet_since": WEEK.start - timedelta(days=90)},
        {"sources": [SourceState("contacts.vcf", "", None, "gone")]},
        {"overruled": [("c1", "approved by the owner")]},
        {"paused": True},
        {"asleep": True},
    ],
    ids=lambda happened: next(iter(happened)),
)
def test_a_week_with_anything_to_tell_is_not_empty(happened: dict[str, Any]) -> None:
    other_mail = entry(9, "ignore", judgement={"kind": "digest"}, case=None, verdict=None)

    assert not compose(replace(facts(), **happened), words("en"), {}).empty
    assert compose(facts(other_mail), words("en"), {}).empty


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


def saying(what: str, number: int = 1) -> Entry:
    """An invitation that says so wherever a stranger can say something."""
    plain = entry(number, "needs-human").judgement
    assert plain is not None
    inviter = {**plain["inviter"], "name": what, "headline": what}
    note = {"kind": "personal", "text": what, "signals": []}
    judgement = {**plain, "inviter": inviter, "note": note, "because": [what], "known_why": f"so: {what}"}
    return entry(number, "needs-human", judgement=judgement)


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

    page, text = html_of(entry(1, "accept-candidate"), links=links), text_of(entry(1, "accept-candidate"), links=links)

    assert 'href="mailto:ada@example.org?subject=x&amp;body=y"' in page
    assert 'answer this mail with lines like: "decline c1"' in text
    assert "mailto:" not in text


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_commands_a_summary_names_are_understood(language: str) -> None:
    contents = compose(facts(entry(1, "needs-human")), words(language), every_link(entry(1, "needs-human")))
    mail = "From: ada@example.org\nSubject: Re\nIn-Reply-To: <rsvpd.{0:032}@example.org>\n\n{1}\n"

    orders = [
        read_order(parse(mail.format(0, command).encode()), frozenset({"ada@example.org"}))
        for command in contents.examples
    ]

    assert [str(order.commands[0]) for order in orders if order] == ["accept c1", "decline c1"]


@pytest.mark.parametrize(
    ("told", "offered"),
    [
        (entry(1, "needs-human"), {"accept", "decline", "decline quietly", "ask why"}),
        (entry(1, "decline", State.SENT, reply=reply(Channel.ADDRESS)), {"accept"}),
        (entry(1, "decline", State.UNCERTAIN, reply=reply(Channel.ADDRESS)), {"accept"}),
        (entry(1, "decline", State.HELD, reply=reply(Channel.ADDRESS)), {"accept", "decline quietly", "ask why"}),
        (entry(1, "decline", reply=reply(Channel.PASTE)), {"accept", "decline quietly", "ask why"}),
        (entry(1, "decline"), {"accept", "decline", "ask why"}),
    ],
)
def test_what_would_change_nothing_is_not_offered(told: Entry, offered: set[str]) -> None:
    contents = compose(facts(told), words("en"), every_link(told))

    ((item,),) = (section.items for section in contents.sections)
    assert {link.verb for link in item.links} == offered | {"always this person", "never this person"}


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://www.linkedin.com/in/p1", "https://www.linkedin.com/in/p1"),
        ("https://www.linkedin.com/in/مريم", "https://www.linkedin.com/in/%D9%85%D8%B1%D9%8A%D9%85"),
        ('https://www.linkedin.com/profile/view?id=A"><b>', "https://www.linkedin.com/profile/view?id=A%22%3E%3Cb%3E"),
        ("https://bücher.example/@a", "https://xn--bcher-kva.example/@a"),
        ("https://a.example/\u202ex y", "https://a.example/%E2%80%AEx%20y"),
        ("javascript:alert(1)", ""),
        ("http://www.linkedin.com/in/p1", ""),
        ("https://www.linkedin.com@evil.example/in/p1", ""),
        ("https://www.linkedin.com:8443/in/p1", ""),
        ("https://[bad/", ""),
        (f"https://{'a' * 70}.example/", ""),
    ],
)
def test_a_link_is_shown_only_where_it_leads_to_what_it_says(url: str, clean: str) -> None:
    person = entry(1, "accept-candidate").judgement
    assert person is not None

    page = html_of(
        entry(1, "accept-candidate", judgement={**person, "inviter": {**person["inviter"], "profile_url": url}})
    )

    assert web_address(url) == clean
    assert re.findall(r'href="([^"]*)"', page) == ([clean] if clean else [])
    assert not clean or f"Profile · {urlsplit(clean).hostname}".replace("www.", "") in page


def test_a_flood_of_invitations_leaves_a_mail_that_is_shown_whole() -> None:
    entries = [entry(number, "needs-human") for number in range(2000)]

    page, text = html_of(*entries, links=every_link(*entries)), text_of(*entries)

    assert LARGEST - 5000 < len(page.encode()) <= LARGEST
    shown = page.count('class="who"')
    assert re.search(rf"and {2000 - shown} more: <code[^>]*>rsvpd list --all</code>", page)
    assert "and 1900 more: `rsvpd list --all`" in text


def test_what_needs_the_owner_is_shown_before_what_was_declined() -> None:
    needs = [entry(number, "needs-human") for number in range(20)]
    quiet = [entry(number, "decline") for number in range(100, 400)]
    answered = [entry(n, "decline", State.SENT, reply=reply(Channel.ADDRESS)) for n in range(500, 800)]

    page = html_of(*quiet, *answered, *needs, links=every_link(*needs, *quiet, *answered))

    assert len(page.encode()) <= LARGEST
    assert [number for number in range(20) if f">Person {number}<" not in page] == []
    assert ">Person 102<" in page
    assert ">Person 103<" not in page


def test_no_stranger_fills_the_mail() -> None:
    essays = [saying("verbose " * 20_000, number) for number in range(10)]

    page = html_of(*essays, links=every_link(*essays))

    assert len(page.encode()) <= LARGEST
    assert [number for number in range(10) if f">c{number}<" not in page] == []


@pytest.mark.parametrize("day", ["mon", "sat"])
@pytest.mark.parametrize("at", ["00:00", "02:30", "08:00", "23:59"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "America/Nuuk", "Pacific/Apia"])
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
    assert all(rhythm.before(two) == one for one, two in pairwise(distinct))
    assert all(rhythm.running(one.end) == two for one, two in pairwise(distinct))


@pytest.mark.parametrize(
    ("zone", "day", "at", "around", "due"),
    [
        # The clocks go from 02:00 to 03:00: 02:30 is not, and half an hour after 02:00 it is 03:30.
        ("Europe/Berlin", "sun", "02:30", "2026-03-29", "2026-03-29T01:30"),
        ("America/New_York", "sun", "02:30", "2026-03-08", "2026-03-08T07:30"),
        # From 03:00 back to 02:00: 02:30 is twice, and the first counts.
        ("Europe/Berlin", "sun", "02:30", "2026-10-25", "2026-10-25T00:30"),
        ("America/New_York", "sun", "01:30", "2026-11-01", "2026-11-01T05:30"),
        # From 23:00 to 00:00: 23:30 on Saturday is on Sunday.
        ("America/Nuuk", "sat", "23:30", "2026-03-28", "2026-03-29T01:30"),
        # Friday, 30 December 2011 is left out.
        ("Pacific/Apia", "fri", "08:00", "2011-12-30", "2011-12-30T18:00"),
    ],
)
def test_a_summary_at_an_hour_that_is_not_or_is_twice_is_due_once(
    zone: str, day: str, at: str, around: str, due: str
) -> None:
    rhythm = Rhythm.of(day, at, ZoneInfo(zone))  # type: ignore[arg-type]
    noon = datetime.fromisoformat(f"{around}T12:00+00:00")
    minutes = [noon + timedelta(minutes=number) for number in range(-36 * 60, 36 * 60)]

    turns = [two for one, two in pairwise(minutes) if rhythm.last_over(one) != rhythm.last_over(two)]

    assert turns == [datetime.fromisoformat(f"{due}+00:00")]
    assert rhythm.before(rhythm.running(turns[0])) == rhythm.last_over(turns[0])


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
