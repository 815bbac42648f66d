"""Commands by mail: which mails are some, what they ask for, and what gives leave to it."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from importlib import resources
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import commands as commands_package
from gateway.commands import LASTS, Order, answer_links, leave_by_summary, leave_by_token, links_of, read
from gateway.commands.verbs import Command, Verb
from gateway.commands.verbs import words as said_words
from gateway.config import Config
from gateway.digest import as_mail, compose, summarise
from gateway.digest.text import as_text
from gateway.digest.words import words
from gateway.letter import confirmation, letter_id, summary_id
from gateway.mail import parse
from gateway.model import Mailbox, State
from gateway.owner import policy_of
from tests.test_digest import WEEK, entry, facts, text_of

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ADA = "ada@example.org"
OWN = frozenset({ADA, "a.miller@example.org"})
SECRET = b"s" * 32
SUMMARY = summary_id(SECRET, "2026-W47", "example.org")
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")


def mail(text: str = "", *, html: str = "", **fields: str) -> bytes:
    """A mail of the owner's to themselves; fields are named with _ for -, and one that is "" is left out."""
    message = EmailMessage(policy=SMTP)
    usual = {"From": f"Ada Miller <{ADA}>", "To": ADA, "Subject": "Re: Your invitations", "In_Reply_To": SUMMARY}
    for name, value in {**usual, **fields}.items():
        if value:
            message[name.replace("_", "-")] = value
    if text or not html:
        message.set_content(text)
    if html:
        (message.add_alternative if text else message.set_content)(html, subtype="html")
    return message.as_bytes()


def asked(raw: bytes) -> tuple[str, ...]:
    order = read(parse(raw), OWN)
    return tuple(map(str, order.commands)) if order else ()


def the_link(verb: str = "decline", case: str = "c17", now: datetime = NOW) -> str:
    """The subject of the mail that a link opens."""
    href = next(link.href for link in answer_links(SECRET, ADA, case, now) if link.verb == verb)
    return parse_qs(urlsplit(href).query)["subject"][0]


def leave(subject: str, *, secret: bytes = SECRET, owner: str = ADA) -> datetime | None:
    """Until when the token in a subject gives leave to what that subject asks for."""
    order = read(parse(mail(Subject=subject, In_Reply_To="")), OWN)
    if order is None or order.token is None:
        return None
    found = leave_by_token(order.commands[0], order.token, secret, owner)
    return found.expires if found else None


# Links


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.NEITHER])
def test_a_link_opens_a_mail_to_the_owner_that_asks_for_its_verb_alone(verb: Verb) -> None:
    (link,) = (link for link in answer_links(SECRET, ADA, "c17", NOW) if link.verb == verb)

    address, _, query = link.href.removeprefix("mailto:").partition("?")
    assert unquote(address) == ADA
    assert set(parse_qs(query)) == {"subject", "body"}
    assert re.fullmatch(r"[A-Za-z0-9@%&=?._:~-]+", link.href)  # RFC 6068, and nothing a mail program could misread
    assert asked(mail(unquote(query), Subject=the_link(verb), In_Reply_To="")) == (f"{verb} c17",)


def test_an_address_with_odd_signs_is_encoded() -> None:
    (link, *_) = answer_links(SECRET, "a+b&c?d%@example.org", "c17", NOW)

    assert link.href.startswith("mailto:a%2Bb%26c%3Fd%25@example.org?subject=rsvpd%3A%20accept%20c17%20%5B")


def test_an_inviter_without_a_company_has_no_links_about_one() -> None:
    verbs = [link.verb for link in answer_links(SECRET, ADA, "c17", NOW, company=False)]

    assert verbs == ["accept", "decline", "decline quietly", "ask why", "always this person", "never this person"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_summary_has_a_word_for_every_link(language: str) -> None:
    labels = [words(language).verb(link.verb) for link in answer_links(SECRET, ADA, "c1", NOW)]

    assert len(set(labels)) == len(labels) == len(Verb) - 1
    assert set(labels) == set(words(language).table["verbs"].values())


def test_a_token_gives_leave_until_the_summary_after_the_next() -> None:
    assert leave(the_link()) == NOW + LASTS
    assert timedelta(days=7) < LASTS <= timedelta(days=14)


def test_no_two_links_share_a_nonce() -> None:
    moments = (NOW, NOW + timedelta(days=7))
    subjects = [the_link(verb, case, now) for verb in ("accept", "decline") for case in ("c1", "c2") for now in moments]

    assert len({subject.partition("[")[2].partition(".")[0] for subject in subjects}) == len(subjects)


def swapped(subject: str, before: str, after: str) -> str:
    assert before in subject
    return subject.replace(before, after)


@pytest.mark.parametrize(
    "subject",
    [
        "rsvpd: decline c17",
        "rsvpd: decline c17 []",
        swapped(the_link(), "decline c17", "accept c17"),
        swapped(the_link(), "decline c17", "decline quietly c17"),
        swapped(the_link(), "c17", "c18"),
        swapped(the_link(), "c17", "c1"),
        swapped(the_link(), ".", ".9"),  # a later end
        the_link()[:-2] + "]",
        swapped(the_link(), "decline", "drop all tables"),
        "rsvpd: neither c17 [" + the_link().partition("[")[2],
        f"Re: {the_link()}",
        f"Fwd: {the_link()}",
        f"{the_link()} {the_link('accept', 'c1')}",
    ],
)
def test_a_subject_that_is_not_exactly_what_a_link_wrote_gives_no_leave(subject: str) -> None:
    assert leave(the_link()) is not None
    assert leave(subject) is None


def test_another_key_or_another_owner_gives_no_leave() -> None:
    assert leave(the_link(), secret=b"t" * 32) is None
    assert leave(the_link(), owner="bea@example.org") is None


@given(
    st.sampled_from(list(Verb)), st.integers(1, 40), st.integers(0, 71), st.sampled_from("0aZ-_.")
)  # fmt: skip
def test_no_other_token_gives_leave(verb: Verb, number: int, place: int, sign: str) -> None:
    genuine = the_link().partition("[")[2].rstrip("]")
    forged = genuine[:place] + sign + genuine[place + 1 :]
    command = Command(verb, f"c{number}")

    found = leave_by_token(command, forged, SECRET, ADA)

    assert (found is not None) == (forged == genuine and command == Command(Verb.DECLINE, "c17"))


def test_a_token_in_a_body_is_nothing() -> None:
    forwarded = f"Have a look.\n\n---------- Forwarded message ---------\nSubject: {the_link()}\n"

    assert read(parse(mail(forwarded, Subject="Fwd: your mail", In_Reply_To="")), OWN) is None
    assert read(parse(mail(the_link(), Subject="Fwd: your mail", In_Reply_To="")), OWN) is None


# Who asks


@pytest.mark.parametrize(
    "fields",
    [
        {"From": "Bob <bob@example.net>"},
        {"From": f"Ada Miller <{ADA}>, bob@example.net"},
        {"From": "Ada <ada@example.org.evil.example>"},
        {"From": f'"{ADA}" <bob@example.net>'},
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-replied (vacation)"},
        {"Auto_Submitted": "AUTO-GENERATED; x=y"},
        {"Precedence": "bulk"},
        {"List_Id": "<x.example.org>"},
        {"X_Rsvpd_Loop": "1"},
        {"Message_ID": SUMMARY},
        {"In_Reply_To": "<other@example.org>"},
        {"In_Reply_To": ""},
    ],
)
def test_what_no_owner_wrote_as_an_answer_is_no_command(fields: dict[str, str]) -> None:
    assert asked(mail("decline c17")) == ("decline c17",)
    assert asked(mail("decline c17", **fields)) == ()
    assert "In_Reply_To" in fields or asked(mail(Subject=the_link(), **fields)) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"From": "A.Miller@Example.org"},
        {"Auto_Submitted": "no"},
        {"In_Reply_To": "", "References": f"<first@example.org> {SUMMARY}"},
    ],
)
def test_any_address_of_the_owner_may_ask(fields: dict[str, str]) -> None:
    assert asked(mail("decline c17", **fields)) == ("decline c17",)


def test_an_address_for_answers_and_summaries_gives_no_orders() -> None:
    settings = {
        "me": {"name": "Ada", "addresses": "Ada@example.org", "contact": "assistant@example.org"},
        "digest": {"to": "summaries@example.org"},
    }

    policy = policy_of(Config.model_validate(settings))

    assert policy.addresses == {"ada@example.org"}
    assert len(policy.own) == 3


def own_mails() -> list[bytes]:
    """All that rsvpd itself writes to its owner."""
    owner = Mailbox("Ada Miller", ADA)
    links = links_of([entry(17, "needs-human")], SECRET, ADA, NOW)
    found = summarise(compose(facts(entry(17, "needs-human")), words("en"), links))
    said, message_id = "Done: decline c17\n\ndecline c17: is declined", letter_id(SECRET, "confirmation", "example.org")
    told = confirmation(said, owner=owner, to=ADA, message_id=message_id, answers="<asked@example.org>", now=NOW)
    return [as_mail(found, owner=owner, to=ADA, week=WEEK, message_id=SUMMARY, now=NOW), told]


@pytest.mark.parametrize("raw", own_mails(), ids=["summary", "confirmation"])
def test_rsvpd_never_obeys_itself(raw: bytes) -> None:
    sent_back = raw.replace(b"Message-ID: <rsvpd.", b"In-Reply-To: <rsvpd.", 1).replace(
        b"Subject: ", f"Subject: {the_link()}\r\nX-Was: ".encode(), 1
    )

    assert read(parse(raw), OWN) is None
    assert read(parse(sent_back), OWN) is None


# What is asked


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("decline c17", ("decline c17",)),
        ("Decline C17.", ("decline c17",)),
        ("decline: c17, c18 and c19", ("decline c17", "decline c18", "decline c19")),
        ("  accept  c3 ", ("accept c3",)),
        ("decline quietly c17", ("decline quietly c17",)),
        ("ask why c17", ("ask why c17",)),
        ("always c17", ("always this person c17",)),
        ("never company c17", ("never this company c17",)),
        ("neither c17", ("neither c17",)),
        ("ablehnen c17 und c18", ("decline c17", "decline c18")),
        ("décliner c17", ("decline c17",)),
        ("preguntar por qué c17", ("ask why c17",)),
        ("altijd bedrijf c17", ("always this company c17",)),
        ("decline 17", ()),
        ("retry c17", ()),
        ("decline c17 please", ()),
        ("do not decline c17", ()),
        ("decline c17; accept c18", ()),
        ('"decline c17"', ()),
        ("*decline c17*", ()),
        ("<b>decline c17</b>", ()),
    ],
)
def test_a_line_is_a_command_or_it_is_not(line: str, commands: tuple[str, ...]) -> None:
    assert asked(mail(line)) == commands


def test_lines_are_read_up_to_the_first_that_is_none() -> None:
    text = "Dear machine,\n\ndecline c17\n\naccept c18\nBest wishes, Ada\nnever c19\n"

    assert asked(mail(text)) == ("decline c17", "accept c18")


def test_a_salutation_is_short() -> None:
    assert asked(mail("Hello,\n\nI looked at them all.\nHere is what I think:\ndecline c17\n")) == ("decline c17",)
    assert asked(mail("Hello,\n\nI looked\nat them all.\nHere it is:\ndecline c17\n")) == ()


def test_a_line_that_was_perhaps_meant_ends_the_reading_and_is_told() -> None:
    order = read(parse(mail("decline c17\naccept c18 - I know her!\nnever c19\n")), OWN)

    assert order == Order((Command(Verb.DECLINE, "c17"),), answers=(SUMMARY,), odd="accept c18 - I know her!")


def test_a_marked_line_is_never_taken_for_one_that_was_meant() -> None:
    assert read(parse(mail("> decline c17")), OWN) is None


def test_an_answer_without_a_word_about_a_case_is_no_command() -> None:
    assert read(parse(mail("Thank you, machine.\n")), OWN) is None


def test_no_phrase_means_two_things() -> None:
    files = [file for file in resources.files(commands_package).iterdir() if file.name.endswith(".toml")]
    tables = {file.name.removesuffix(".toml"): tomllib.loads(file.read_text("utf-8")) for file in files}
    said = [
        (phrase, verb) for table in tables.values() for verb, phrases in table["verbs"].items() for phrase in phrases
    ]

    assert set(tables) == set(LANGUAGES)
    assert all(set(table["verbs"]) == set(Verb) for table in tables.values())
    assert dict(said) == dict(reversed(said))
    assert set(said_words().verbs.values()) == set(Verb)


# Above the quote

ENTRIES = [entry(number, "needs-human", State.CLOSED) for number in range(1, 4)]
SAID = as_text(compose(facts(*ENTRIES), words("en"), links_of(ENTRIES, SECRET, ADA, NOW)))
MARKED = "".join(f"> {line}\n" for line in SAID.splitlines())
INTRODUCED = [
    # Gmail
    "On Mon, Nov 23, 2026 at 8:00 AM Ada Miller <ada@example.org> wrote:",
    "Am Mo., 23. Nov. 2026 um 08:00 Uhr schrieb Ada Miller <\nada@example.org>:",
    "Le lun. 23 nov. 2026 à 08:00, Ada Miller <ada@example.org> a écrit :",
    "El lun, 23 nov 2026 a las 8:00, Ada Miller (<ada@example.org>) escribió:",
    "Il giorno lun 23 nov 2026 alle ore 08:00 Ada Miller <ada@example.org> ha scritto:",
    "Em seg., 23 de nov. de 2026 às 08:00, Ada Miller <ada@example.org> escreveu:",
    "Op ma 23 nov 2026 om 08:00 schreef Ada Miller <ada@example.org>:",
    # Apple Mail
    "> On 23 Nov 2026, at 08:00, Ada Miller <ada@example.org> wrote:",
    "Am 23.11.2026 um 08:00 schrieb Ada Miller <ada@example.org>:",
    "Il giorno 23 nov 2026, alle ore 08:00, Ada Miller <ada@example.org> ha scritto:",
    # Thunderbird
    "On 11/23/26 08:00, Ada Miller wrote:",
    "Am 23.11.26 um 08:00 schrieb Ada Miller:",
    "Le 23/11/2026 à 08:00, Ada Miller a écrit :",
    "El 23/11/26 a las 8:00, Ada Miller escribió:",
    "Ada Miller schreef op 23-11-2026 om 08:00:",
    "Ada Miller wrote:",
    # Outlook
    "-----Original Message-----\nFrom: Ada Miller <ada@example.org>\nSent: Monday",
    "-----Ursprüngliche Nachricht-----\nVon: Ada Miller\nGesendet: Montag",
    "________________________________\nDe : Ada Miller\nEnvoyé : lundi",
    "From: Ada Miller\nSent: Monday\nTo: Ada\nSubject: Your invitations",
    "Von: Ada Miller\nGesendet: Montag\nAn: Ada\nBetreff: Your invitations",
    "De : Ada Miller\nEnvoyé : lundi\nÀ : Ada\nObjet : Your invitations",
    "De: Ada Miller\nEnviado el: lunes\nPara: Ada\nAsunto: Your invitations",
    "Da: Ada Miller\nInviato: lunedì\nA: Ada\nOggetto: Your invitations",
    "De: Ada Miller\nEnviada: segunda\nPara: Ada\nAssunto: Your invitations",
    "Van: Ada Miller\nVerzonden: maandag\nAan: Ada\nOnderwerp: Your invitations",
    "*From:* Ada Miller\n*Sent:* Monday",
    # Others
    "> What a machine says",
    "| What a machine says",
    "Ada Miller <ada@example.org>",
    "Ada Miller, Monday 23 November 2026",
    "Ada Miller, Monday, 8:00",
    # A signature, and nothing at all
    "-- \nAda Miller",
    "",
]


@pytest.mark.parametrize("introduction", INTRODUCED)
@pytest.mark.parametrize("quoted", [MARKED, SAID], ids=["marked", "bare"])
@pytest.mark.parametrize("ending", ["accept c2\nnever c3\n", "> accept c2\n"], ids=["bare", "marked"])
def test_an_answer_that_quotes_the_whole_summary_is_one_command(introduction: str, quoted: str, ending: str) -> None:
    raw = mail(f"decline c17\n\n{introduction}\n{quoted}{ending}")

    order = read(parse(raw), OWN)

    assert order == Order((Command(Verb.DECLINE, "c17"),), answers=(SUMMARY,))


@pytest.mark.parametrize("introduction", [text for text in INTRODUCED if text])
def test_a_quote_alone_asks_for_nothing(introduction: str) -> None:
    assert read(parse(mail(f"\n{introduction}\naccept c2\n")), OWN) is None


def test_a_strangers_note_in_an_unmarked_quote_asks_for_nothing() -> None:
    note = f"{'x' * 74} accept c2 {'y' * 74}"  # wrapped, the command has a line of its own
    shown = entry(1, "needs-human")
    assert shown.judgement is not None
    account = {**shown.judgement, "note": {"kind": "personal", "text": note, "signals": []}}
    text = text_of(entry(1, "needs-human", judgement=account))
    assert "\n  accept c2\n" in text

    assert asked(mail(f"decline c17\n\n{text}")) == ("decline c17",)
    assert asked(mail(text)) == ()
    assert asked(mail(f"\n\n\n{text}\naccept c2")) == ()


@given(st.text(alphabet="accept never c1234\n >-:@", max_size=200))
def test_nothing_below_a_mark_counts(below: str) -> None:
    assert asked(mail(f"decline c17\n> quoted\n{below}")) == ("decline c17",)


PAGES = [
    '<div>decline c17</div><br><div class="gmail_quote"><div class="gmail_attr">On Mon wrote</div>{}</div>',
    "<html><body><div>decline c17</div><blockquote type='cite'><div>{}</div></blockquote></body></html>",
    "<p>decline c17</p><div id='divRplyFwdMsg'><b>From:</b> Ada</div><div>{}</div>",
    '<p>decline c17</p><div class="moz-cite-prefix">Am 23.11. schrieb Ada:</div>{}',
    "<p>decline c17</p><p><b>Von:</b> Ada<br><b>Gesendet:</b> Montag</p>{}",
    "<p>decline c17</p><hr><p>-----Original Message-----</p>{}",
    "<p>decline c17</p>Ada Miller<br>{}",
]


@pytest.mark.parametrize("page", PAGES)
def test_an_answer_in_html_alone_is_read_above_its_quote(page: str) -> None:
    summary = "".join(f"<div>{line}</div>" for line in ("accept c2", *SAID.splitlines(), "never c3"))

    assert asked(mail(html=page.format(summary))) == ("decline c17",)


def test_of_two_parts_the_first_alone_is_read() -> None:
    assert asked(mail("decline c17\n", html="<p>accept c18</p>")) == ("decline c17",)
    assert asked(mail("Hello.\n", html="<p>accept c18</p>")) == ()


def test_a_summary_gives_leave_to_each_command_once_until_it_is_old() -> None:
    said = (Command(Verb.DECLINE, "c17"), Command(Verb.ACCEPT, "c17"))

    found = leave_by_summary(said, "2026-W47", NOW)

    assert found.expires == NOW + LASTS
    assert [nonce for _, nonce in found.nonces] == ["2026-W47 decline c17", "2026-W47 accept c17"]
