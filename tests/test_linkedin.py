"""LinkedIn's invitations: whatever the name, headline and note, every form gives back what was put in."""

from __future__ import annotations

from dataclasses import replace
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail import parse, plain
from gateway.model import Notification
from gateway.networks import recognise
from gateway.networks.linkedin.words import is_rule
from tests.linkedin_forms import (
    FORMS,
    GUEST_2010,
    GUEST_2015,
    GUEST_REMINDER_2016,
    MEMBER_2009,
    REMINDER_NOW,
    Form,
    Invite,
    compose,
)

by_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
in_parts = pytest.mark.parametrize("parts", ["text+page", "text", "page"])

_WORDS = st.text(
    st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\u00a0"), min_size=1, max_size=60
)
_LINE = _WORDS.map(plain).filter(bool)
_NAME = st.text(st.characters(categories=["L"]), min_size=1, max_size=30).flatmap(
    lambda first: _LINE.map(lambda rest: normalize("NFC", plain(f"{first} {rest}")))
)
_PERSON = _NAME.filter(lambda name: not name.lower().startswith("linkedin"))  # so only LinkedIn calls itself
IMITATIONS = (
    "Accept: https://www.linkedin.com/comm/mynetwork/invite-accept/invitationId/1/?trk=eml-x-hero-0-accept~cta",
    "View profile: https://www.linkedin.com/in/somebody-else",
    "View profile: https://www.linkedin.com/comm/in/somebody-else?trk=eml-email_m2m_invite_single_01-hero-3-prof",
    "----------------------------------------",
    ".....",
    "You are receiving Accepted Invitation emails.",
    "This email was intended for Eve Adversary (Nobody)",
    "Unsubscribe here: https://example.org/",
    "12 connections in common",
    "Eve Adversary\nChief Imitator at Example Ltd",
    "- Eve",
    "Hi Bob,",
    '{{ 7 * 7 }} <b>bold</b> & "quoted"',
)
_IMITATIONS = st.sampled_from(IMITATIONS)
_PARAGRAPH = st.lists(st.one_of(_LINE, _IMITATIONS), min_size=1, max_size=3).map("\n".join)
_NOTE = st.lists(st.one_of(_PARAGRAPH, _IMITATIONS), min_size=1, max_size=4).map("\n\n".join)
_INVITE = st.builds(
    Invite,
    name=_PERSON,
    headline=_LINE,
    note=st.tuples(_LINE, _NOTE).map("\n".join),
    number=st.integers(min_value=2**62, max_value=7_500_000_000_000_000_000),
    in_common=st.none() | st.just("3 connections in common"),
)


def _read(form: Form, invite: Invite, **how: object) -> Notification:
    notification = recognise(parse(compose(form, invite, **how)))  # type: ignore[arg-type]
    assert notification is not None
    return notification


def _expected(form: Form, invite: Invite, parts: str) -> dict[str, object]:
    return {
        "kind": form.kind,
        "name": invite.name,
        "headline": invite.headline if form.headline else None,
        "profile_url": form.profile,
        "note": _words(invite.note) if form.note else None,
        "invitation": str(invite.number) if form.number else "I123456789_33" if "isd" not in form.text else None,
        "sent_at": invite.made if form.number else None,
        "given_name": invite.given if parts in form.given and invite.given != invite.name else None,
    }


def _found(notification: Notification) -> dict[str, object]:
    inviter = notification.inviter
    assert inviter is not None
    return {
        "kind": notification.kind,
        "name": inviter.name,
        "headline": inviter.headline,
        "profile_url": inviter.profile_url,
        "note": _words(notification.note) if notification.note else None,
        "invitation": notification.invitation,
        "sent_at": notification.sent_at,
        "given_name": notification.given_name,
    }


def _words(text: str) -> str:
    # A page has no lines to compare, only words.
    return " ".join(text.split())


@in_parts
@by_form
@settings(max_examples=25, deadline=None)
@given(invite=_INVITE, stripped=st.booleans(), encoding=st.sampled_from(["quoted-printable", "base64", "8bit"]))
def test_whoever_invites_is_read_back_from_every_form(
    form: Form, parts: str, invite: Invite, stripped: bool, encoding: str
) -> None:
    notification = _read(form, invite, parts=parts, stripped=stripped, encoding=encoding)

    assert _found(notification) == _expected(form, invite, parts)
    if form.note and parts != "page":
        assert notification.note == invite.note


@by_form
@pytest.mark.parametrize("parts", ["text", "page"])
@pytest.mark.parametrize("imitation", IMITATIONS)
def test_a_note_may_begin_and_end_like_the_mail_around_it(form: Form, parts: str, imitation: str) -> None:
    if form is GUEST_2010 and is_rule(imitation):
        pytest.skip("members' mails of the time have such a line there themselves")
    for note in (f"{imitation}\n\nHello", f"Hello\n\n{imitation}", f"Hello\n\n{imitation}\n\nBye"):
        invite = Invite("Ada Inviter", "Cook", note)

        assert _found(_read(form, invite, parts=parts)) == _expected(form, invite, parts)


@pytest.mark.parametrize(("form", "parts"), [(MEMBER_2009, "text+page"), (GUEST_2010, "text"), (GUEST_2010, "page")])
def test_a_name_and_company_below_a_note_of_2009_are_its_signature(form: Form, parts: str) -> None:
    invite = Invite("Ada Inviter", None, "Let us talk.\n\nAda Inviter\nExample Kitchens")

    notification = _read(form, invite, parts=parts)

    assert _found(notification) == _expected(form, invite, parts)


@pytest.mark.parametrize("parts", ["text", "page"])
def test_a_greeting_to_an_address_is_linkedins_own(parts: str) -> None:
    greeted = Invite("Ada Inviter", None, "Hai bob@example.org,\n\nHello Bob!")

    assert _words(_read(GUEST_2015, greeted, parts=parts).note or "") == "Hello Bob!"


@by_form
@pytest.mark.parametrize(
    "note", ["LinkedIn\n\nis where I found you", "see  https://example.org\n\nor\thttps://example.org/x"]
)
def test_white_space_and_links_of_a_note_stay_as_they_were_written(form: Form, note: str) -> None:
    notification = _read(form, Invite("Ada Inviter", "Cook", note), parts="text")

    assert notification.note == (note if form.note else None)


@pytest.mark.parametrize(
    ("form", "english", "translated"),
    [
        (REMINDER_NOW, "is waiting for your response", "erinnert Sie an die Einladung"),
        (REMINDER_NOW, "is waiting for your response", "czeka na Twoją odpowiedź"),
        (
            GUEST_REMINDER_2016,
            "would like to connect on LinkedIn. How would you like to respond?",
            "möchte sich vernetzen.",
        ),
    ],
)
@pytest.mark.parametrize("parts", ["text", "page"])
def test_the_line_above_a_reminded_note_is_not_part_of_it_in_any_language(
    form: Form, english: str, translated: str, parts: str
) -> None:
    invite = Invite("Ada Inviter", "Cook", "Hello Bob!")
    foreign = replace(form, text=form.text.replace(english, translated), page=form.page.replace(english, translated))

    assert _found(_read(foreign, invite, parts=parts)) == _expected(foreign, invite, parts)


_TEXT = "Ada Inviter\nCook\n\nAccept: https://www.linkedin.com/comm/mynetwork/invite-accept/invitationId/{number}/?eid=a-b-c\n"
_NUMBER = 7_000_000_000_000_000_001
_ON_THE_DAY = "Sun, 20 Nov 2022 08:00:00 +0000"
_A_WEEK_LATER = "Sun, 27 Nov 2022 08:00:00 +0000"


@pytest.mark.parametrize(
    ("template", "footer", "subject", "date", "kind"),
    [
        # The template's token says most, exactly.
        (
            "email_m2m_invite_single_01",
            "Accepted Invitation",
            "Ada accepted your invitation",
            _ON_THE_DAY,
            "invitation",
        ),
        ("email_m2m_invite_single_07", "", "?", _A_WEEK_LATER, "invitation"),
        ("email_accept_invite_single_01", "Invitation", "I want to connect", _ON_THE_DAY, "accepted"),
        ("accept_invite_04", "", "I want to connect", _ON_THE_DAY, "accepted"),
        ("email_m2m_invite_digest_02", "Invitation", "I want to connect", _ON_THE_DAY, "digest"),
        ("email_pymk_02", "", "I want to connect", _ON_THE_DAY, "suggestion"),
        ("first_guest_reminder_01/germany", "", "?", _ON_THE_DAY, "reminder"),
        ("inv_exp_member_02", "", "Ada Inviter's invitation is awaiting your response", _ON_THE_DAY, "reminder"),
        ("jobs_jymbii_digest", "Invitation", "I want to connect", _ON_THE_DAY, "other"),
        # Then the footer.
        ("brand_new_03", "Invitation", "?", _ON_THE_DAY, "invitation"),
        ("", "Invitation reminder email", "I want to connect", _ON_THE_DAY, "reminder"),
        ("", "Accepted Invitation", "I want to connect", _ON_THE_DAY, "accepted"),
        ("", "People You May Know notification", "I want to connect", _ON_THE_DAY, "suggestion"),
        ("", "Job Alert", "I want to connect", _ON_THE_DAY, "other"),
        ("", "Invitation", "You have 2 new invitations", _ON_THE_DAY, "digest"),
        # Then the subject.
        ("", "", "I want to connect", _A_WEEK_LATER, "invitation"),
        ("", "", "I’ve accepted your request. Would you like to send a message?", _ON_THE_DAY, "accepted"),
        ("", "", "Ada is waiting for your response", _ON_THE_DAY, "reminder"),
        ("", "", "Add Ada Inviter - Cook", _ON_THE_DAY, "suggestion"),
        ("", "", "Ada just messaged you", _ON_THE_DAY, "message"),
        # Then what the buttons do, and when the invitation was made.
        ("", "", "Chcę nawiązać kontakt", _ON_THE_DAY, "invitation"),
        ("", "", "Ada czeka na odpowiedź", _A_WEEK_LATER, "reminder"),
    ],
)
def test_the_kind_is_told_by_what_is_hardest_to_get_wrong(
    template: str, footer: str, subject: str, date: str, kind: str
) -> None:
    header = f"X-LinkedIn-Template: {template}\r\n" if template else ""
    head = (
        f"From: Ada Inviter <invitations@linkedin.com>\r\nTo: bob@example.org\r\nSubject: {subject}\r\nDate: {date}\r\n"
    )
    frame = f"\nYou are receiving {footer} emails.\n" if footer else ""

    notification = recognise(parse(f"{head}{header}\r\n{_TEXT.format(number=_NUMBER)}{frame}".encode()))

    assert notification is not None
    assert notification.kind == kind


def test_several_invitations_in_one_mail_are_a_digest() -> None:
    head = "From: LinkedIn <invitations@linkedin.com>\r\nTo: bob@example.org\r\nSubject: ?\r\n\r\n"

    notification = recognise(
        parse(f"{head}{_TEXT.format(number=_NUMBER)}\n{_TEXT.format(number=_NUMBER + 1)}".encode())
    )

    assert notification is not None
    assert notification.kind == "digest"
