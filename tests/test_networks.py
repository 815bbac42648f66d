"""Every network's mails: one sample of each form with what it says, hostile ones, and the labelled corpus."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from gateway import networks as registry
from gateway.cases import INVITES
from gateway.errors import Ambiguous, Unreadable
from gateway.hypertext import lines_of
from gateway.mail import parse
from gateway.model import Kind, Mail, Notification
from gateway.networks import networks, recognise, unlike_an_invitation
from gateway.networks.linkedin import links
from gateway.networks.linkedin.headline import company_of
from tests.corpus import CORPUS, needs_corpus
from tests.linkedin_forms import MEMBER_NOW, REMINDER_NOW, Invite, compose

SAMPLES = sorted((Path(__file__).parent / "samples" / "networks").glob("*.eml"))
ADA = Invite("Ada Inviter", "Cook at Example Kitchens", "Hello Bob!")

by_file = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)


def said(notification: Notification | None) -> dict[str, Any] | None:
    """What a notification says, without what it leaves open, as the samples' expectations have it."""
    if notification is None:
        return None
    given = {key: value for key, value in asdict(notification).items() if value is not None and key != "limit"}
    if notification.inviter:
        given["inviter"] = {key: value for key, value in asdict(notification.inviter).items() if value is not None}
    return json.loads(json.dumps(given, default=lambda date: date.isoformat()))  # type: ignore[no-any-return]


@by_file
def test_a_sample_says_what_is_written_beside_it(sample: Path) -> None:
    expected = json.loads(sample.with_suffix(".json").read_text("utf-8"))

    assert said(recognise(parse(sample.read_bytes()))) == expected


def test_every_network_has_a_sample() -> None:
    said_to_be = [json.loads(sample.with_suffix(".json").read_text("utf-8")) for sample in SAMPLES]

    shown = {expected["network"] for expected in said_to_be if expected}

    assert {network.NAME for network in networks()} == shown


@by_file
def test_the_page_says_what_the_text_says(sample: Path) -> None:
    mail = parse(sample.read_bytes())
    if not (mail.text and mail.html):
        pytest.skip("one part only")

    text, page = (said(recognise(one)) for one in (mail, replace(mail, text="")))

    assert text is not None
    assert page is not None
    for one in (text, page):
        one["note"] = " ".join(one.get("note", "").split())
        one.pop("given_name", None)  # the text of some forms is signed, their page is not
    assert page == text


@pytest.mark.parametrize(
    "sender",
    [
        "invitations@linkedin.com.example.net",
        "invitations@linkedin-mail.example",
        "invitations@notlinkedin.com",
        "invitations@linkedin.com.",
        "invitations@xn--lnkedin-9bb.com",
        "invitations@lınkedin.com",
    ],
)
def test_a_look_alike_of_a_domain_is_no_mail_of_the_network(sender: str) -> None:
    raw = compose(MEMBER_NOW, ADA).replace(b"<invitations@linkedin.com>", f"<{sender}>".encode())

    assert recognise(parse(raw)) is None


def test_a_mail_below_the_networks_domain_is_the_networks() -> None:
    raw = compose(MEMBER_NOW, ADA).replace(b"<invitations@linkedin.com>", b"<invitations@e.LinkedIn.com>")

    assert getattr(recognise(parse(raw)), "network", None) == "linkedin"


def test_an_invitation_without_a_button_is_unreadable_and_says_whose_it_is() -> None:
    mail = replace(parse(compose(MEMBER_NOW, ADA)), text="Ada Inviter wants something new", html="")

    with pytest.raises(Unreadable) as unreadable:
        recognise(mail)

    assert unreadable.value.network == "linkedin"


def test_a_mail_that_two_networks_claim_is_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    linkedin = next(network for network in networks() if network.NAME == "linkedin")

    class Copy:
        NAME = "copycat"
        SEARCH = ()

        def parse(self, _: Mail) -> Notification | None:
            return Notification("copycat", Kind.OTHER)

    monkeypatch.setattr(registry, "networks", lambda: (linkedin, Copy()))

    with pytest.raises(Ambiguous, match=r"linkedin.*copycat"):
        recognise(parse(compose(MEMBER_NOW, ADA)))


def test_a_reminder_has_the_invitations_own_number() -> None:
    first, second = (recognise(parse(compose(form, ADA))) for form in (MEMBER_NOW, REMINDER_NOW))

    assert first is not None
    assert second is not None
    assert (first.kind, second.kind) == (Kind.INVITATION, Kind.REMINDER)
    assert first.invitation == second.invitation == str(ADA.number)


def test_the_inviters_address_is_taken_from_no_mail_since_2013() -> None:
    raw = b"Reply-To: Ada Inviter <ada@example.net>\r\n" + compose(MEMBER_NOW, ADA)

    notification = recognise(parse(raw))

    assert notification is not None
    assert notification.inviter is not None
    assert notification.inviter.address is None


@pytest.mark.parametrize("words", [("Annehmen", "Profil ansehen"), ("Accetta", "Visualizza profilo"), ("承諾", "表示")])
def test_the_words_of_the_buttons_do_not_matter(words: tuple[str, str]) -> None:
    raw = compose(replace(MEMBER_NOW, words=words), ADA, parts="page", stripped=True)

    notification = recognise(parse(raw))

    assert notification is not None
    assert notification.inviter is not None
    assert (notification.inviter.name, notification.note) == (ADA.name, ADA.note)


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("{{ 7 * 7 }} Petrov", "${jndi:x} <%= 7*7 %>"),
        ("<script>alert(1)</script> Kovac", '<b>Bold</b> & "quoted"'),
        ("Ada Inviter", "Accept: https://example.org/a"),
        ("Ada Inviter", "Accept: https://www.linkedin.com/comm/mynetwork/invite-accept/?trk=eml-x-hero-0-accept~cta"),
        ("Ada Inviter", "https://www.example.org/ada"),
        ("Ada Inviter", "500+ connections and counting"),
        ("Ada Inviter", "You are receiving Invitation emails."),
        ("You are receiving", "This email was intended for nobody"),
        ("Hi Bob,", "Cook"),
        ("A" * 300, "B" * 300),
    ],
)
def test_a_hostile_name_or_headline_is_nothing_but_a_name_or_headline(name: str, headline: str) -> None:
    notification = recognise(parse(compose(MEMBER_NOW, replace(ADA, name=name, headline=headline))))

    assert notification is not None
    assert notification.inviter is not None
    assert (notification.inviter.name, notification.inviter.headline) == (name, headline)
    assert notification.note == ADA.note


def test_signs_that_turn_the_direction_are_not_part_of_a_name() -> None:
    raw = compose(
        MEMBER_NOW, replace(ADA, name="Ada \u202egnp.exe\u202c Inviter", headline="Cook \u2066(remote)\u2069")
    )

    notification = recognise(parse(raw))

    assert notification is not None
    assert notification.inviter is not None
    assert (notification.inviter.name, notification.inviter.headline) == ("Ada gnp.exe Inviter", "Cook (remote)")


@pytest.mark.parametrize(
    ("headline", "company"),
    [
        ("Cook at Example Kitchens", "Example Kitchens"),
        ("Cook at Example Kitchens | we bake", "Example Kitchens"),
        ("Koch bei der Stadt Beispiel", "Stadt Beispiel"),
        ("Founder & CEO @Pies, speaker", "Pies"),
        ("Cuisinière chez Tartes & Fils", "Tartes & Fils"),
        ("Profesora en Universidad de Ejemplo", "Universidad de Ejemplo"),
        ("Experta en Marketing Digital", None),
        ("Engenheira na Tortas Unidas", "Tortas Unidas"),
        ("Ricercatrice presso Istituto Esempio", "Istituto Esempio"),
        ("Docente all'Università di Esempio", "Università di Esempio"),
        ("Trainer bij Voorbeeld BV", "Voorbeeld BV"),
        ("Professorin an der Universität Beispiel", "Universität Beispiel"),
        ("Professeure à l’Université de Tarte", "Université de Tarte"),
        ("Postdoc, Institute of Crust, Example University", "Example University"),
        ("Student Recruiter at Example University | we bring talent", "Example University"),
        ("Founder at Pies, ex-student of Example University", "Pies"),
        ("Former cook at Example Kitchens", None),
        ("Previously at Cakes, now at Pies", "Pies"),
        ("Engineer at the European Pie Agency", "European Pie Agency"),
        ("A student at heart", None),
        ("College Librarian", None),
        ("Cook @PieWorks 🚀", "PieWorks"),
        ("🌍 Baker at Grüne Torte 🌱 | Speaker", "Grüne Torte"),
        ("Visionary | Dad", None),
        ("松林大学 副教授", "松林大学"),
    ],
)
def test_the_company_is_the_one_a_headline_names_as_the_present_one(headline: str, company: str | None) -> None:
    assert company_of(headline) == company


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://www.linkedin.com/comm/in/ada-1?midToken=x&otpToken=y", "https://www.linkedin.com/in/ada-1"),
        ("https://www.linkedin.com/in/ada-1/", "https://www.linkedin.com/in/ada-1"),
        (
            "https://www.linkedin.com/comm/profile/view?id=AAs&authToken=x&trk=y",
            "https://www.linkedin.com/profile/view?id=AAs",
        ),
        ("https://www.linkedin.com/comm/mynetwork/invite-accept/invitationId/1/sharedKey/k/", None),
        ("https://www.linkedin.com/redir/redirect?url=https%3A%2F%2Fexample.org", None),
        ("https://www.linkedin.com.example.org/in/ada-1", None),
        ("javascript:alert(1)//linkedin.com/in/ada", None),
        ("http://[broken/in/ada", None),
    ],
)
def test_a_clean_profile_link_has_no_tokens_and_stays_in_the_network(url: str, clean: str | None) -> None:
    assert links.profile_url(url) == clean


def test_what_a_page_hides_is_not_read() -> None:
    page = (
        '<div style="display:none">preheader</div><div style="max-height:0">more</div><style>p{}</style>'
        "<p>Hello&nbsp;Bob<br>next line<br><br>far line\u034f \u034f \u034f \u034f </p><td>cell</td>"
    )

    assert [line.text for line in lines_of(page)] == ["Hello Bob", "next line", "", "far line", "", "cell"]


def test_a_style_said_twice_hides_twice_and_another_does_not() -> None:
    hidden, shown = ('<p style="Display: none">a</p>', '<p style="color: red">b</p>')

    assert [line.text for line in lines_of(hidden + shown + hidden + shown) if line.text] == ["b", "b"]


def test_what_a_page_says_steers_no_terminal_and_turns_no_direction_of_writing() -> None:
    (line,) = lines_of("<p>a&#155;31mb&#x202e;c&#8294;d&#27;[2Je\x1b\x9b\u202ef</p>")

    assert line.text == "a›31mbcd[2Jef"


def test_an_emoji_of_several_people_stays_whole() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"

    assert [line.text for line in lines_of(f"<p>{family}</p>")] == [family]


def _unlike(raw: bytes) -> list[str]:
    return list(unlike_an_invitation(parse(raw)))


def _holding(*kinds: str) -> bytes:
    parts = "".join(f"--b\r\nContent-Type: {kind}\r\n\r\nHello\r\n" for kind in kinds)
    return f"From: a@slack.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n".encode()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (_holding("text/plain", "application/zip"), "it carries application/zip, as no invitation does"),
        (_holding("text/plain", "message/rfc822"), "it carries message/rfc822, as no invitation does"),
        (_holding("text/html", "text/html"), "it has more parts than an invitation does"),
        (_holding("text/html", *["image/png"] * 9), "it has more parts than an invitation does"),
        (b"From: a@slack.com\r\nSubject: Ada invited you to join a Slack workspace\r\n\r\n", "it has no text"),
        (b"Return-Path: <>\r\nFrom: a@slack.com\r\n\r\nx", "its envelope sender wants no answer"),
        (b"Return-Path: <MAILER-DAEMON>\r\nFrom: a@slack.com\r\n\r\nx", "its envelope sender wants no answer"),
        (b"Return-Path: MAILER-DAEMON@slack.com\r\nFrom: a@slack.com\r\n\r\nx", "its envelope sender wants no answer"),
        (b"Auto-Submitted: auto-replied (vacation)\r\nFrom: a@slack.com\r\n\r\nx", "it is itself an automatic answer"),
        (b"Auto-Submitted: no\r\nauto-submitted: AUTO-REPLIED; x=y\r\n\r\nx", "it is itself an automatic answer"),
        (b"X-Rsvpd-Loop: f00\r\nFrom: a@slack.com\r\n\r\nx", "it is an answer of rsvpd's"),
        (
            _holding("text/plain", "message/delivery-status"),
            "it carries message/delivery-status, as no invitation does",
        ),
        (
            _holding("text/plain", "message/disposition-notification"),
            "it carries message/disposition-notification, as no",
        ),
    ],
)
def test_a_mail_that_holds_what_no_invitation_does_says_so(raw: bytes, why: str) -> None:
    assert [found for found in _unlike(raw) if found.startswith(why)] != []


@pytest.mark.parametrize(
    "field",
    [
        b"Return-Path: <s-2x@bounce.linkedin.com>",
        b"Auto-Submitted: auto-generated",
        b"Auto-Submitted: no",
        b"Precedence: bulk",
        b"List-Unsubscribe: <https://slack.com/unsubscribe>",
        b"List-Id: <invitations.slack.com>",
        b"X-Auto-Response-Suppress: All",
        b"Feedback-ID: x:y",
    ],
)
def test_what_says_that_a_machine_sent_it_is_no_objection_to_an_invitation(field: bytes) -> None:
    assert _unlike(field + b"\r\nFrom: a@slack.com\r\n\r\nHello\r\n") == []


def test_no_sample_of_an_invitation_holds_what_none_does() -> None:
    mails = [file.read_bytes() for file in SAMPLES]
    invitations = [raw for raw in mails if (found := recognise(parse(raw))) and found.kind in INVITES]

    assert len(invitations) > 10
    assert [why for raw in invitations for why in _unlike(raw)] == []


@pytest.mark.parametrize(
    ("invite", "why"),
    [
        (replace(ADA, name="A" * 401), "its name is 401 characters long"),
        (replace(ADA, headline="A" * 1001), "its headline is 1001 characters long"),
        (replace(ADA, note="A" * 4001), "its note is 4001 characters long"),
    ],
)
def test_what_is_longer_than_any_network_takes_is_not_read(invite: Invite, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        recognise(parse(compose(MEMBER_NOW, invite)))


def _corpus() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each mail's name, what we read and what the label says, in one shape."""
    found = []
    for line in (CORPUS / "labels.jsonl").read_text("utf-8").splitlines():
        label = json.loads(line)
        read: dict[str, Any] = said(recognise(parse((CORPUS / label["file"]).read_bytes()))) or {"kind": "other"}
        found.append((label["file"], read, label))
    return found


@needs_corpus
def test_the_corpus_is_recognised_to_the_last_mail() -> None:
    invites = ("invitation", "reminder")

    wrong = [file for file, read, label in _corpus() if (read["kind"] in invites) != (label["kind"] in invites)]

    assert wrong == []


@needs_corpus
@pytest.mark.parametrize(
    ("field", "floor"),
    [("name", 0.99), ("headline", 0.97), ("company", 0.95), ("profile_url", 0.97), ("address", 0.97)],
)
def test_the_corpus_inviters_are_read(field: str, floor: float) -> None:
    pairs = [
        (file, read["inviter"].get(field), label["inviter"][field])
        for file, read, label in _corpus()
        if label["inviter"]
    ]

    missed = [pair for pair in pairs if pair[1] != pair[2]]

    assert 1 - len(missed) / len(pairs) >= floor, missed


@needs_corpus
def test_the_corpus_kinds_and_networks_are_told() -> None:
    pairs = [
        (file, (read.get("network"), read["kind"]), (label["network"], label["kind"]))
        for file, read, label in _corpus()
    ]

    missed = [pair for pair in pairs if pair[1] != pair[2]]

    assert 1 - len(missed) / len(pairs) >= 0.98, missed


@needs_corpus
def test_the_corpus_notes_are_read_word_for_word() -> None:
    notes = [(file, read.get("note"), label["note"]) for file, read, label in _corpus() if label["inviter"]]
    personal = [(file, read, note["text"]) for file, read, note in notes if note["kind"] == "personal"]

    missed = [pair for pair in personal if pair[1] != pair[2]]

    assert 1 - len(missed) / len(personal) >= 0.97, missed
