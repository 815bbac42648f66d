"""What goes out: templates that hold nothing but holes, names fit to be repeated, and the way down the ladder."""

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadTemplate
from gateway.model import Channel, Decision, Findings, Reply, Verdict
from gateway.policy import compile_policy
from gateway.reply import LONGEST_SHORT, Replies, Voice, _line
from gateway.rules import Group, PolicySettings, Rule, preset_names
from gateway.salutation import Salutation, salutation
from tests.findings import invitation

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")
TEMPLATES = ("ask-why", "group", "known-but-default", "previous-interaction", "short")
LONGEST_ADDRESS = "a" * 52 + "@example.org"  # 64 characters
LONGEST_LINK = "https://www.linkedin.com/groups/" + "9" * 48  # 80
LONGEST_NAME = "B" * 40


def replies_of(
    folder: Path | None = None,
    *,
    language: str = "en",
    answer_in: tuple[str, ...] = (),
    contact: str | None = "owner@example.org",
    groups: tuple[Group, ...] = (),
    template: str = "previous-interaction",
) -> Replies:
    policy = compile_policy(
        PolicySettings(),
        (Rule(name="mine", verdict=Verdict.DECLINE, reply=template),),
        institutions=("Lindenhof University",),
        own=frozenset({"owner@example.org"}),
        groups=groups,
    )
    return Replies(Voice("Olive Owner", contact, language, answer_in), policy, folder)


@given(st.text() | st.text(st.sampled_from("a \n\t\x1c\x85\u00a0\u00ad\u200b\u2028é")))
def test_a_line_holds_no_control_character_and_all_else(text: str) -> None:
    unfit = ("Cc", "Cf", "Zl", "Zp")

    assert _line(text) == " ".join("".join(" " if unicodedata.category(c) in unfit else c for c in text).split())


def decline(template: str | None = "previous-interaction") -> Decision:
    return Decision(Verdict.DECLINE, "mine", ("because",), template)


def rendered(findings: Findings, template: str = "previous-interaction", **about: Any) -> Reply:
    reply = replies_of(**about).render(decline(template), findings)
    assert reply is not None
    return reply


def test_a_reply_is_the_template_with_its_holes_filled() -> None:
    reply = rendered(invitation(name="Thomas Weber"), "short")

    assert reply == Reply(
        template="short",
        language="en",
        channel=Channel.PASTE,
        to=None,
        subject="Your invitation to connect",
        body=(
            "Dear Thomas,\n\n"
            "Thank you for the invitation. I keep my network to people I have met, so I\n"
            "am not accepting it for now. If there is something I can help you with,\n"
            "write to me at owner@example.org.\n\n"
            "Kind regards,\nOlive Owner\n"
        ),
        short=(
            "Thank you for the invitation, Thomas! I keep my network to people I have met. "
            "If I can help you, write to me at owner@example.org."
        ),
    )


@pytest.mark.parametrize(
    "decision",
    [
        decline(None),
        Decision(Verdict.ACCEPT, "known", (), "short"),
        Decision(Verdict.HUMAN, "maybe", (), "short"),
        Decision(Verdict.IGNORE, "other", (), "short"),
    ],
)
def test_only_a_decline_with_a_template_has_a_reply(decision: Decision) -> None:
    assert replies_of().render(decision, invitation()) is None


# The templates that come with the program


def test_every_template_is_there_in_every_language() -> None:
    shelf = replies_of().shelf

    assert shelf.names() == TEMPLATES
    assert {name: shelf.languages(name) for name in TEMPLATES} == dict.fromkeys(TEMPLATES, tuple(sorted(LANGUAGES)))


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_names_only_templates_there_are(preset: str) -> None:
    policy = compile_policy(PolicySettings(preset=preset), (), institutions=(), own=frozenset())

    Replies(Voice("Olive Owner", "owner@example.org", "en", LANGUAGES), policy).check()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", [LONGEST_NAME, "Thomas Weber", None])
@pytest.mark.parametrize("groups", [(Group(match=("student",), url=LONGEST_LINK, name="Alumni"),), ()])
def test_a_short_text_fits_with_the_longest_names_and_addresses(
    template: str, language: str, name: str | None, groups: tuple[Group, ...]
) -> None:
    about: dict[str, Any] = {"language": language, "contact": LONGEST_ADDRESS, "groups": groups}

    reply = rendered(invitation(name=name), template, **about)

    assert reply.language == language
    assert len(reply.short) <= LONGEST_SHORT
    assert LONGEST_ADDRESS in reply.short or LONGEST_LINK in reply.short
    assert "\n" not in reply.short


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_mail_is_brief_and_keeps_to_the_width_of_a_screen(template: str, language: str) -> None:
    groups = (Group(match=("student",), url="https://example.org/group", name="Alumni"),)

    reply = rendered(invitation(name="Thomas Weber"), template, language=language, groups=groups)

    lines = reply.body.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(reply.body) < 1000
    assert "\n\n\n" not in reply.body
    assert lines[1] == ""
    assert lines[-1] == "Olive Owner"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_short_answer_has_a_form_under_250_characters(language: str) -> None:
    assert len(rendered(invitation(), "short", language=language).short) < 250


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_group_reply_has_the_link_of_the_inviters_group(language: str) -> None:
    groups = (
        Group(match=("student",), url="https://example.org/students"),
        Group(match=("postdoc*",), url="https://example.org/postdocs", name="Postdocs of Lindenhof"),
    )

    reply = rendered(invitation(headline="Postdoc at Lindenhof University"), "group", language=language, groups=groups)

    assert "\n\n    Postdocs of Lindenhof\n    https://example.org/postdocs\n\n" in reply.body
    assert reply.short.endswith("https://example.org/postdocs")


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_group_the_group_reply_is_a_plain_no(language: str) -> None:
    reply = rendered(invitation(headline="Student at Lindenhof University"), "group", language=language)

    assert "http" not in reply.body + reply.short
    assert "owner@example.org" in reply.body
    assert "owner@example.org" in reply.short


# The language


@pytest.mark.parametrize(
    ("note", "own", "answer_in", "language"),
    [
        ("de", "en", ("de", "en"), "de"),
        ("de", "en", (), "en"),
        ("de", "fr", ("en",), "fr"),
        ("pl", "en", ("pl",), "en"),
        ("en", "pl", (), "en"),
        ("pl", "it", ("pl", "it"), "it"),
    ],
)
def test_the_language_is_the_inviters_where_allowed_else_the_owners_else_english(
    note: str, own: str, answer_in: tuple[str, ...], language: str
) -> None:
    assert rendered(invitation(language=note), language=own, answer_in=answer_in).language == language


# The name


@pytest.mark.parametrize(
    ("given", "name", "greeted", "full"),
    [
        (None, "Thomas Weber", "Thomas", "Thomas Weber"),
        (None, "Søren Østergård", "Søren", "Søren Østergård"),
        (None, "Thomas Weber, PhD", "Thomas", "Thomas Weber"),
        ("Kenji", "Morioka Kenji", "Kenji", "Morioka Kenji"),
        ("李文静", "李文静", "李文静", "李文静"),
        ("{{7*7}}", "Thomas Weber", "Thomas", "Thomas Weber"),
        (None, "Morioka Kenji", "Morioka Kenji", "Morioka Kenji"),
        (None, "Kovács Anna", "Kovács Anna", "Kovács Anna"),
        (None, "Dr. Thomas Weber", "Dr. Thomas Weber", "Dr. Thomas Weber"),
        (None, "Anna Maria van der Berg", "Anna Maria van der Berg", "Anna Maria van der Berg"),
        (None, "J.R.R. Weber", "J.R.R. Weber", "J.R.R. Weber"),
        (None, "Jean-Luc O'Brien", "Jean-Luc O'Brien", "Jean-Luc O'Brien"),
        (None, "Михаил Дорохов", "Михаил Дорохов", "Михаил Дорохов"),
        (None, "अनीता शर्मा", "अनीता शर्मा", "अनीता शर्मा"),
        (None, "田中 さくら", "田中 さくら", "田中 さくら"),
        (None, "THOMAS WEBER", "THOMAS WEBER", "THOMAS WEBER"),
    ],
)
def test_somebody_is_greeted_by_the_given_name_where_it_is_plain_else_by_the_whole(
    given: str | None, name: str, greeted: str, full: str
) -> None:
    assert salutation(invitation(name=name, given_name=given).notification) == Salutation(greeted, full)


HOSTILE_NAMES = (
    None,
    "",
    "   ",
    "--",
    "...",
    "{{7*7}} Petrov",
    "{% for x in range(9) %}x{% endfor %}",
    "<script>alert(1)</script> Kovac",
    "Mallory Bcc: victim@example.net",
    "Mallory\r\nBcc: victim@example.net",
    "ada@example.net",
    "Visit https://evil.example",
    "Visit evil.example now",
    "www.evil.com",
    "Ada 🚀 Miller",
    "Ada\u202eMiller",
    "Ada\u200bMiller",
    "Ada\x00Miller",
    "Ada_Miller",
    "Ada99",
    "ada-miller",
    "Adа Miller",  # the second a is Cyrillic
    "A" * 41,
    "Maria " * 22 + "M",
    "Z\u0310\u0311\u0312\u0313\u0314\u0315algo",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_an_odd_or_hostile_name_is_not_repeated(name: str | None) -> None:
    reply = rendered(invitation(name=name))

    assert reply.body.startswith("Hello,\n\nThank you")
    assert reply.subject == "Your invitation to connect"
    assert reply.short.startswith("Thank you for the invitation! ")


@given(st.text(max_size=60))
def test_whatever_the_name_is_a_reply_repeats_letters_or_nothing(name: str) -> None:
    told = salutation(invitation(name=name, given_name=name[::-1]).notification)

    for part in (told.name, told.full_name):
        assert len(part) <= 40
        assert all(char in " .'-’‐" or unicodedata.category(char)[0] in "LM" for char in part)


def test_nothing_of_the_mail_but_the_name_enters_a_reply() -> None:
    bare = rendered(invitation(name="Thomas Weber"))

    full = rendered(
        invitation(
            name="Thomas Weber",
            headline="HEADLINE at COMPANY",
            company="COMPANY",
            text="NOTE {{ me }}",
            signals=("met", "topic"),
            known="maybe",
            why="WHY",
        )
    )

    assert (full.subject, full.body, full.short) == (bare.subject, bare.body, bare.short)


# The owner's own templates


def shelve(folder: Path, mail: str, short: str = "Write to me: {{ contact }}", name: str = "mine") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.en.txt").write_text(mail, "utf-8")
    (folder / f"{name}.short.en.txt").write_text(short, "utf-8")
    return folder


def test_the_owners_templates_come_before_the_programs(tmp_path: Path) -> None:
    folder = shelve(tmp_path, "Subject: Mine\n\n{{ greeting }}\n\nNo, {{ name }}.\n", name="short")

    reply = rendered(invitation(name="Thomas Weber"), "short", folder=folder)

    assert (reply.subject, reply.body) == ("Mine", "Dear Thomas,\n\nNo, Thomas.\n")
    assert rendered(invitation(), "short", folder=folder, language="de").language == "de"


PAYLOADS = (
    "{{ 7 * 7 }}",
    "{{ 'a' * 2000000000 }}",
    "{{ '%01000000000d' % 1 }}",
    "{{ 9 ** 999999999 }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    "{{ range(999999999) | list }}",
    "{{ lipsum(n=100000) }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ me.__class__ }}",
    "{{ me['__class__'] }}",
    "{{ me | attr('__class__') }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ self._TemplateReference__context }}",
    "{{ me.format(me) }}",
    "{{ me | format(me) }}",
    "{{ me | center(999999999) }}",
    "{% set x = me %}{{ x }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'short.en.txt' %}",
    "{{ config }}",
    "{{ inviter.address }}",
    "{{ nmae }}",
    "{{ (me, me) }}",
    "{{ {me: me} }}",
    "{{ me ~ me }}",
    "{{ name",
    "{% if name %}",
)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_template_holds_names_and_conditions_and_nothing_else(tmp_path: Path, payload: str) -> None:
    folder = shelve(tmp_path, f"Subject: Mine\n\nWrite to {{{{ contact }}}}\n{payload}\n")

    with pytest.raises(BadTemplate, match=r"mine\.en\.txt, line [45]: ") as caught:
        replies_of(folder, template="mine").check()

    assert str(folder / "mine.en.txt") in str(caught.value)


@pytest.mark.parametrize(
    ("mail", "short", "why"),
    [
        ("No subject\n\nText {{ contact }}\n", "{{ contact }}", "begins with a line 'Subject: ...'"),
        ("Subject: Mine\nno empty line {{ contact }}\n", "{{ contact }}", "begins with a line 'Subject: ...'"),
        ("Subject: Mine\n\n \n", "{{ contact }}", "begins with a line 'Subject: ...'"),
        ("Subject: Mine\n\n{{ " + "(" * 9000 + " }}", "{{ contact }}", "is no template"),
        ("Subject: Mine\n\n{{ " + "not " * 3000 + "me }}", "{{ contact }}", "is no template"),
        ("Subject: Mine\n\n" + "{% if me %}" * 200 + "x" + "{% endif %}" * 200, "{{ contact }}", "is no template"),
        ("Subject: Mine\n\n{{ " + "9" * 5000 + " }}", "{{ contact }}", "is no template"),
        ("Subject: Mine\n\n" + "x" * 20000, "{{ contact }}", "a template of 20015 characters"),
    ],
)
def test_a_template_that_is_no_mail_is_refused(tmp_path: Path, mail: str, short: str, why: str) -> None:
    with pytest.raises(BadTemplate, match=re.escape(why)):
        replies_of(shelve(tmp_path, mail, short), template="mine").check()


def test_a_template_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    folder = shelve(tmp_path, "")
    (folder / "mine.en.txt").write_bytes("Subject: Grüße\n\n{{ contact }}".encode("latin-1"))

    with pytest.raises(BadTemplate, match="cannot be read"):
        replies_of(folder, template="mine").check()


def test_a_reply_there_is_none_of_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadTemplate, match="no reply 'shrot'; there are ask-why, group"):
        replies_of(template="shrot").check()


def test_a_mail_without_a_short_text_is_half_a_reply(tmp_path: Path) -> None:
    (tmp_path / "mine.en.txt").write_text("Subject: Mine\n\n{{ contact }}\n")

    with pytest.raises(BadTemplate, match=r"two files, mine\.en\.txt and mine\.short\.en\.txt"):
        replies_of(tmp_path, template="mine").check()


def test_an_offer_of_an_address_needs_one() -> None:
    with pytest.raises(BadTemplate, match="neither contact nor addresses"):
        replies_of(contact=None).check()


# The ladder


@pytest.mark.parametrize(
    ("facts", "way"),
    [
        ({"reply_to_trusted": True, "address": "ada@example.com"}, (Channel.REPLY_TO, "ada@example.com")),
        (
            {"reply_to_trusted": True, "address": "ada@example.com", "book": "ada@example.net"},
            (Channel.REPLY_TO, "ada@example.com"),
        ),
        (
            {"reply_to_trusted": False, "address": "ada@example.com", "book": "ada@example.net"},
            (Channel.ADDRESS, "ada@example.net"),
        ),
        ({"reply_to_trusted": False, "address": "ada@example.com"}, (Channel.PASTE, None)),
        ({"reply_to_trusted": True, "book": "ada@example.net"}, (Channel.ADDRESS, "ada@example.net")),
        ({"reply_to_trusted": True, "address": "member@linkedin.com"}, (Channel.PASTE, None)),
        ({}, (Channel.PASTE, None)),
    ],
)
def test_an_answer_takes_the_first_rung_that_holds(facts: dict[str, Any], way: tuple[Channel, str | None]) -> None:
    reply = rendered(invitation(**facts))

    assert (reply.channel, reply.to) == way


NOBODYS_ADDRESSES = (
    "owner@example.org",
    "Owner@Example.org",
    "owner+network@example.org",
    "invitations@linkedin.com",
    "x@bounce.linkedin.com",
    "ada@LINKEDIN.com",
    "ada@linkedin.example",
    "friend@facebookmail.com",
    "ada@facebook.com",
    "ada@mail.xing.com",
    "mailer-daemon@example.com",
    "MAILER-DAEMON+x@example.com",
    "postmaster@example.com",
    "listserv@example.com",
    "majordomo@example.com",
    "noreply@example.com",
    "no-reply@example.com",
    "No.Reply+abc@example.com",
    "news-noreply@example.com",
    "do-not-reply@example.com",
    "donotreply@example.com",
    "noreply-1234@example.com",
    "owner-list@example.com",
    "list-request@example.com",
    "list-owner@example.com",
    "list-bounces@example.com",
    "bounces+ada=example.com@example.net",
    "nobody@example.com",
    "root@example.com",
    "ada@example.com, bob@example.com",
    "ada@example.com\r\nBcc: bob@example.com",
    "Ada <ada@example.com>",
    "ada",
    "@example.com",
    "",
)


@pytest.mark.parametrize("address", NOBODYS_ADDRESSES)
def test_nothing_is_sent_to_machines_networks_or_the_owner(address: str) -> None:
    reply = rendered(invitation(reply_to_trusted=True, address=address, book=address))

    assert (reply.channel, reply.to) == (Channel.PASTE, None)


@pytest.mark.parametrize(
    "address", ["norely@example.com", "noreen@example.com", "rooty@example.com", "a.b+c@example.com"]
)
def test_people_with_such_names_are_reached(address: str) -> None:
    assert rendered(invitation(book=address)).to == address
