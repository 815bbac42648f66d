"""Mails that answer a letter of ours: which letter, a person's or a machine's, and the sender's own words."""

from __future__ import annotations

import pytest

from gateway.answers import is_automatic, letters_answered, own_words
from gateway.mail import parse
from gateway.model import Mail

LETTER_ID = f"<rsvpd.{'0a' * 16}@example.org>"
LETTER = """\
Dear Olga,

Thank you for the invitation. I do not think we have met: what made you
think of me? One good reason is enough; just answer this mail, or write to
me at ada@example.org.

Kind regards,
Ada Miller
"""
QUOTE = "".join(f"> {line}\n" for line in LETTER.splitlines())
WORDS = "Hi Ada,\n\nwe share an interest in choral music.\n\nKind regards,\nOlga"


def mail(text: str = "", *, more: str = "", kind: str = "text/plain") -> Mail:
    head = f"From: Olga <olga@somewhere.example>\nTo: ada@example.org\nSubject: Re: Your invitation\n{more}"
    return parse(f"{head}Content-Type: {kind}; charset=utf-8\n\n{text}".replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (f"In-Reply-To: {LETTER_ID}\n", (LETTER_ID,)),
        (f"References: <a@linkedin.com>\n {LETTER_ID}\n <b@x.example>\n", (LETTER_ID,)),
        (f"In-Reply-To: {LETTER_ID}\nReferences: {LETTER_ID}\n", (LETTER_ID,)),
        ("In-Reply-To: <rsvpd.guessed@example.org>\n", ()),
        (f"Subject2: {LETTER_ID}\n", ()),
        ("", ()),
    ],
)
def test_the_letter_is_told_by_its_message_id(more: str, found: tuple[str, ...]) -> None:
    assert letters_answered(mail(more=more)) == found


@pytest.mark.parametrize(
    "more",
    [
        "Auto-Submitted: auto-replied\n",
        "Auto-Submitted: auto-generated; x=y\n",
        "Auto-Submitted: no\nAuto-Submitted: AUTO-REPLIED (vacation)\n",
        "Precedence: auto_reply\n",
        "Precedence: Bulk\n",
        "X-Autoreply: yes\n",
        "X-Auto-Response-Suppress: All\n",
        "List-Id: <singers.lists.example>\n",
        "Return-Path: <>\n",
    ],
)
def test_what_a_machine_or_a_list_sends_is_no_answer(more: str) -> None:
    assert is_automatic(mail("I am away until Monday.", more=more))


def test_a_report_is_no_answer() -> None:
    assert is_automatic(mail("--b\n\nread\n--b--\n", kind='multipart/report; boundary="b"'))


@pytest.mark.parametrize("more", ["", "Auto-Submitted: no\n", "Return-Path: <olga@somewhere.example>\n"])
def test_what_a_person_sends_is_an_answer(more: str) -> None:
    assert not is_automatic(mail("Hi", more=more))


@pytest.mark.parametrize(
    "text",
    [
        WORDS,
        f"{WORDS}\n-- \nOlga Stranger, Example Ltd\n",
        f"{WORDS}\n\nOn Mon, 23 Nov 2026 at 08:00, Ada Miller <ada@example.org> wrote:\n\n{QUOTE}",
        f"{WORDS}\n\nAm Montag, dem 23. November 2026 um 08:00 schrieb Ada\nMiller <ada@example.org>:\n{QUOTE}",
        f"On Monday Ada Miller wrote:\n{QUOTE}\n{WORDS}\n",
        f"{WORDS}\n\n-----Original Message-----\nFrom: Ada Miller <ada@example.org>\nSent: Monday\n\n{LETTER}",
        f"{WORDS}\n\n________________________________\nVon: Ada Miller <ada@example.org>\nGesendet: Montag\n\n{LETTER}",
        f"{WORDS}\n\nDe : Ada Miller <ada@example.org>\nEnvoyé : lundi 23 novembre\nÀ : Olga\n\n{LETTER}",
        f"{WORDS}\n\n{LETTER}",
        f"{WORDS}\n\nLe lun. 23 nov. 2026, Ada Miller a écrit :\n\n{' '.join(LETTER.split())}",
    ],
)
def test_the_own_words_of_an_answer_stand_beside_the_quote(text: str) -> None:
    assert own_words(mail(text), LETTER) == WORDS


def test_the_own_words_of_an_answer_in_html_are_read() -> None:
    page = f"<p>We share an interest in choral music.</p><blockquote>{LETTER.replace(chr(10), '<br>')}</blockquote>"

    assert own_words(mail(page, kind="text/html"), LETTER) == "We share an interest in choral music."


def test_a_paragraph_of_the_senders_own_is_not_taken_for_the_head_of_a_quote() -> None:
    text = f"Hi Ada,\nI have four\nreasons, and\nhere they are:\n{QUOTE}choral music"

    assert own_words(mail(text), LETTER) == "Hi Ada,\nI have four\nreasons, and\nchoral music"


@pytest.mark.parametrize("text", ["-" * 900_000, "From: " + "@" * 900_000, "a:\n" * 30_000, "> a\n" * 30_000])
def test_no_text_however_hostile_keeps_the_reader(text: str) -> None:
    assert len(own_words(mail(text), LETTER)) <= 4000
