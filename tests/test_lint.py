"""What `rsvpd check` finds wrong with a policy and its replies before the first mail comes."""

from pathlib import Path
from typing import Any

import pytest

from gateway.lint import Remark, covers, lint
from gateway.policy import compile_policy
from gateway.reply import Replies, Voice
from gateway.rules import Group, PolicySettings, Rule, When, preset_names

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")
STUDENTS = Group(match=("student",), url="https://example.org/students")


def rule(called: str = "mine", verdict: str = "decline", reply: str | None = None, **when: Any) -> Rule:
    return Rule.model_validate({"name": called, "when": when, "verdict": verdict, "reply": reply})


def remarks(
    *rules: Rule,
    settings: PolicySettings | None = None,
    voice: Voice | None = None,
    institutions: tuple[str, ...] = ("Lindenhof University",),
    groups: tuple[Group, ...] = (),
    topics: tuple[str, ...] = ("formal methods",),
    folder: Path | None = None,
) -> tuple[Remark, ...]:
    settings = settings or PolicySettings()
    policy = compile_policy(settings, rules, institutions=institutions, own=frozenset(), groups=groups)
    voice = voice or Voice("Olive Owner", "owner@example.org", "en", settings.answer_in)
    return lint(settings, rules, policy, Replies(voice, policy, folder), topics=topics)


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_nothing_to_say_about_a_preset_and_its_replies(preset: str, language: str) -> None:
    settings = PolicySettings(preset=preset, answer_in=LANGUAGES)
    voice = Voice("Olive Owner", "owner@example.org", language, LANGUAGES)
    groups = (STUDENTS,) if preset == "route-to-group" else ()

    assert remarks(settings=settings, voice=voice, groups=groups) == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_nothing_to_say_about_the_reply_for_rules_of_ones_own(language: str) -> None:
    voice = Voice("Olive Owner", "owner@example.org", language, ())

    assert remarks(rule(reply="known-but-default", known="yes", note="default"), voice=voice) == ()


@pytest.mark.parametrize(
    ("key", "why", "when"),
    [
        ("kind", "only invitations and reminders", {"kind": "message"}),
        ("network", "no network 'linkdin', did you mean 'linkedin'?", {"network": "linkdin"}),
        ("note", "the stock sentence gives no signals", {"note": "default", "signals": "met"}),
        ("not_signals", "asks for a signal and excludes it", {"signals": "met", "not_signals": ["met", "pitch"]}),
        ("not_signals", "asks for a signal and excludes it", {"all_signals": ["met", "topic"], "not_signals": "met"}),
        ("language", "'german' is no language code", {"language": "german"}),
        ("group", "there is no [[group]]", {"group": True}),
    ],
)
def test_a_rule_that_can_never_match_is_named(key: str, why: str, when: dict[str, Any]) -> None:
    (found,) = remarks(rule(**when))

    assert found.where == ("rule", 0, "when", key)
    assert found.what.startswith("rule 'mine' can never match: ")
    assert why in found.what


def test_a_rule_about_what_the_owner_did_not_tell_can_never_match() -> None:
    found = remarks(rule(affiliation="student"), rule("other", signals="topic"), institutions=(), topics=())

    assert [one.where for one in found] == [
        ("rule", 0, "when", "affiliation"),
        ("rule", 1, "when", "signals"),
        ("me", "institution"),
        ("me", "topics"),
    ]


@pytest.mark.parametrize(
    ("covered", "wide", "narrow"),
    [
        (True, {}, {"known": "yes"}),
        (True, {"known": ["yes", "no"]}, {"known": "yes"}),
        (True, {"known": "yes"}, {"known": "yes", "note": "default"}),
        (True, {"signals": ["met", "topic"]}, {"signals": "met"}),
        (True, {"all_signals": "met"}, {"all_signals": ["met", "topic"]}),
        (True, {"not_signals": "pitch"}, {"not_signals": ["pitch", "met"]}),
        (True, {"company": ["a*", "b*"]}, {"company": "b*"}),
        (True, {"repeat": False}, {"repeat": False, "known": "no"}),
        (False, {"known": "yes"}, {"known": ["yes", "no"]}),
        (False, {"known": "yes"}, {}),
        (False, {"signals": "met"}, {"signals": ["met", "topic"]}),
        (False, {"all_signals": ["met", "topic"]}, {"all_signals": "met"}),
        (False, {"note": "default"}, {"known": "yes"}),
        (False, {"repeat": True}, {"repeat": False}),
    ],
)
def test_a_rule_covers_another_when_it_asks_for_no_more(
    covered: bool, wide: dict[str, Any], narrow: dict[str, Any]
) -> None:
    assert covers(When.model_validate(wide), When.model_validate(narrow)) is covered


@pytest.mark.parametrize("field", When.model_fields)
def test_every_condition_counts_in_what_a_rule_covers(field: str) -> None:
    values: dict[str, Any] = {
        "kind": "reminder",
        "known": "maybe",
        "note": "default",
        "signals": "met",
        "all_signals": "met",
        "not_signals": "met",
        "affiliation": "student",
        **dict.fromkeys(("group", "recommended", "announced", "repeat"), True),
    }
    asking = When.model_validate({field: values.get(field, "x")})

    assert covers(When(), asking)
    assert not covers(asking, When())


def test_a_rule_that_is_never_reached_is_named() -> None:
    found = remarks(rule("wide", known=["yes", "maybe"]), rule("narrow", known="yes", note="default"))

    assert found == (Remark(("rule", 1), "rule 'narrow' is never reached: 'wide' takes all of it first"),)


def test_a_rule_that_takes_everything_is_named() -> None:
    found = remarks(rule(), rule("late", known="yes"))

    assert [(one.where, one.what.split(":")[0]) for one in found] == [
        (("rule", 0), "rule 'mine' takes everything"),
        (("rule", 1), "rule 'late' is never reached"),
    ]


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (PolicySettings(strict=True), ("policy", "strict")),
        (PolicySettings(preset="open-door", announced=True), ("policy", "announced")),
        (PolicySettings.model_validate({"known_default": "needs-human"}), ("policy", "known_default")),
        (PolicySettings(answer_in=("en", "pl")), ("policy", "answer_in")),
    ],
)
def test_a_setting_without_effect_is_named(settings: PolicySettings, where: tuple[str, str]) -> None:
    assert [one.where for one in remarks(settings=settings)] == [where]


def test_a_policy_says_what_it_still_needs_to_be_told() -> None:
    settings = PolicySettings(preset="route-to-group")
    voice = Voice("", None, "en", ())

    found = remarks(settings=settings, voice=voice, institutions=())

    assert [one.where for one in found] == [("me", "institution"), ("group",), ("me", "name"), (), ()]
    assert [one.what.partition(":")[0] for one in found[3:]] == ["group.en.txt", "short.en.txt"]


def test_a_group_nobody_is_told_of_is_named() -> None:
    assert [one.where for one in remarks(groups=(STUDENTS,))] == [("group", 0)]


def test_a_reply_there_is_none_of_is_named_with_the_nearest() -> None:
    (found,) = remarks(rule(reply="shrot", known="no"))

    assert found.where == ("rule", 0, "reply")
    assert found.what.endswith("did you mean 'short'?")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("names Lindenhof University", "The Universität Lindenhof thanks you. {{ contact }}"),
        ("speaks for an employer", "On behalf of Example Ltd: write to {{ contact }}"),
        ("speaks for an employer", "Our company does not do this. {{ contact }}"),
        ("blames", "You should have added a note. {{ contact }}"),
        ("blames", "This is spam. {{ contact }}"),
        ("closes the door", "Please do not contact me again at {{ contact }}"),
        ("closes the door", "No, thank you."),
        ("is 5012 characters long", "{{ contact }}" + "x" * 4994),
    ],
)
def test_a_template_that_a_person_would_not_send_is_named(tmp_path: Path, fault: str, text: str) -> None:
    (tmp_path / "mine.en.txt").write_text(f"Subject: Mine\n\n{text}\n", "utf-8")
    (tmp_path / "mine.short.en.txt").write_text("Thank you! {{ contact }}\n", "utf-8")

    (found,) = remarks(rule(reply="mine", known="no"), folder=tmp_path)

    assert found.where == ("rule", 0, "reply")
    assert found.what.startswith(f"mine.en.txt {fault}")


def test_a_short_text_that_no_network_takes_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.en.txt").write_text("Subject: Mine\n\n{{ contact }}\n", "utf-8")
    (tmp_path / "mine.short.en.txt").write_text("x" * 200 + " {{ contact }}\n", "utf-8")

    (found,) = remarks(rule(reply="mine", known="no"), folder=tmp_path)

    assert found.what == "mine.en.txt has a short text of 218 characters; networks take 200"


def test_what_fills_the_holes_is_not_the_templates_fault() -> None:
    groups = (Group(match=("student",), url="https://example.org/g", name="Alumni of Lindenhof University"),)
    voice = Voice("Olive Owner", "spam@lindenhof.example", "en", ())

    assert remarks(settings=PolicySettings(preset="route-to-group"), voice=voice, groups=groups) == ()
