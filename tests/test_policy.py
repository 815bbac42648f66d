"""The table: what no policy switches off, the owner's own rows, and the sentences a decision gives."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.errors import BadPolicy
from gateway.model import Acquaintance, Claim, Decision, Kind, Known, Link, Match, Person, Scope, Standing, Verdict
from gateway.policy import Policy, compile_policy, decide, group_for
from gateway.rules import Group, PolicySettings, Rule, When, preset_names
from gateway.statement import describe
from tests.findings import invitation

STUDENTS = Group(match=("student",), url="https://example.org/students")
POSTDOCS = Group(match=("postdoc*",), url="https://example.org/postdocs")


def policy_of(
    *rules: Rule, preset: str = "previous-interaction", groups: tuple[Group, ...] = (), **switches: Any
) -> Policy:
    return compile_policy(
        PolicySettings(preset=preset, **switches),
        rules,
        institutions=("Lindenhof University",),
        own=frozenset({"owner@example.org"}),
        groups=groups,
    )


def rule(verdict: str = "decline", called: str = "mine", reply: str | None = None, /, **when: Any) -> Rule:
    return Rule.model_validate({"name": called, "when": when, "verdict": verdict, "reply": reply})


EVERYBODY_IN = rule("accept-candidate")


def test_owners_of_one_preset_have_its_rows_in_common() -> None:
    mine, theirs = policy_of(), policy_of(EVERYBODY_IN)

    assert [row is other for row, other in zip(mine.rows, theirs.rows[1:], strict=True)] == [True] * len(mine.rows)
    assert policy_of(preset="no-boilerplate", strict=True).rows != policy_of(preset="no-boilerplate").rows


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.INVITATION, Kind.REMINDER}))
def test_what_invites_to_nothing_is_ignored_by_every_policy(preset: str, kind: str) -> None:
    decision = decide(invitation(kind=kind, authentic="fail", known="yes"), policy_of(EVERYBODY_IN, preset=preset))

    assert (decision.verdict, decision.rule, decision.template) == (Verdict.IGNORE, "not-an-invitation", None)


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize(
    ("facts", "row"),
    [
        ({"authentic": "none"}, "not-proved-genuine"),
        ({"authentic": "fail"}, "not-proved-genuine"),
        ({"malformed": ("two From fields",)}, "malformed"),
        ({"address": "Owner@example.org"}, "from-yourself"),
        ({"address": "owner+network@example.org"}, "from-yourself"),
        ({"sent_to_owner": False}, "not-sent-to-you"),
    ],
)
def test_the_etiquette_stands_above_every_policy(preset: str, facts: Mapping[str, Any], row: str) -> None:
    decision = decide(invitation(known="yes", **facts), policy_of(EVERYBODY_IN, preset=preset))

    assert (decision.verdict, decision.rule, decision.template) == (Verdict.HUMAN, row, None)


@pytest.mark.parametrize("pattern", ["*a" * 40 + "*b", "a*" * 40 + "b", "?*" * 40 + "b", "[a" * 40, "(a+)+$"])
def test_no_pattern_of_a_rule_takes_for_ever(pattern: str) -> None:
    rule = Rule(name="slow", when=When(headline=pattern), verdict=Verdict.ACCEPT)
    began = time.process_time()

    decision = decide(invitation(headline="a" * 1000), policy_of(rule))

    assert decision.rule != "slow"
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("holds", "when", "facts"),
    [
        (True, {"kind": "reminder"}, {"kind": "reminder"}),
        (False, {"kind": "reminder"}, {}),
        (True, {"network": ["xing", "github"]}, {"network": "xing"}),
        (False, {"network": "xing"}, {}),
        (True, {"known": ["yes", "maybe"]}, {"known": "maybe"}),
        (False, {"known": "yes"}, {"known": "maybe"}),
        (True, {"note": "personal"}, {"note": "personal"}),
        (False, {"note": "personal"}, {}),
        (True, {"signals": ["met", "topic"]}, {"signals": ("topic",)}),
        (False, {"signals": ["met", "topic"]}, {"signals": ("pitch",)}),
        (True, {"all_signals": ["met", "topic"]}, {"signals": ("met", "topic")}),
        (False, {"all_signals": ["met", "topic"]}, {"signals": ("met",)}),
        (True, {"not_signals": "pitch"}, {"signals": ("met",)}),
        (False, {"not_signals": "pitch"}, {"signals": ("met", "pitch")}),
        (True, {"name": "ada *"}, {}),
        (True, {"name": "*OSTERGARD"}, {"name": "Søren Östergård"}),
        (False, {"name": "ada"}, {}),
        (False, {"name": "*"}, {"name": None}),
        (True, {"headline": "*recruiter*"}, {"headline": "Senior Recruiter at Example"}),
        (False, {"headline": "*"}, {}),
        (True, {"company": "example*"}, {"company": "Example Ltd"}),
        (False, {"company": "example*"}, {}),
        (True, {"address": "*@example.com"}, {"address": "ada@example.com"}),
        (False, {"address": "*@example.com"}, {}),
        (True, {"language": ["de", "fr"]}, {"language": "de"}),
        (False, {"language": "de"}, {}),
        (True, {"affiliation": "member"}, {"headline": "Librarian at Lindenhof University"}),
        (False, {"affiliation": "member"}, {"headline": "Librarian at Thornley College"}),
        (True, {"group": True}, {"headline": "Student at Lindenhof University"}),
        (False, {"group": True}, {"headline": "Student at Thornley College"}),
        (True, {"group": False}, {}),
        (True, {"recommended": True}, {"recommended": True}),
        (False, {"recommended": True}, {}),
        (True, {"announced": False}, {}),
        (True, {"repeat": True}, {"earlier": 1}),
        (False, {"repeat": True}, {}),
        (True, {"known": "no", "note": "default", "repeat": False}, {}),
        (False, {"known": "no", "note": "personal", "repeat": False}, {}),
    ],
)
def test_a_rule_of_the_owners_holds_when_all_its_conditions_do(
    holds: bool, when: dict[str, Any], facts: dict[str, Any]
) -> None:
    policy = policy_of(rule(**when), groups=(STUDENTS,))

    decision = decide(invitation(**facts), policy)

    assert (decision.rule == "mine") is holds


def test_the_owners_rules_come_first_in_their_order() -> None:
    policy = policy_of(rule("needs-human", "one", known="no"), rule("accept-candidate", "two"))

    assert decide(invitation(), policy).rule == "one"
    assert decide(invitation(known="yes"), policy).rule == "two"


def test_a_decline_without_a_reply_is_quiet() -> None:
    assert decide(invitation(), policy_of(rule("decline"))).template is None


@pytest.mark.parametrize("preset", preset_names())
def test_a_table_ends_in_a_row_that_always_holds(preset: str) -> None:
    assert policy_of(preset=preset).rows[-1].when.always


@pytest.mark.parametrize("condition", ["signals", "all_signals", "not_signals"])
def test_a_note_nobody_can_read_is_not_declined_by_a_rule_about_notes(condition: str) -> None:
    policy = policy_of(rule("decline", **{condition: "met"}), preset="open-door")

    decision = decide(invitation(note="personal", language="fi", read=False), policy)

    assert (decision.verdict, decision.rule) == (Verdict.HUMAN, "note-not-read")
    assert decision.because[0] == "their note is in a language I cannot read (fi), and “mine” asks what it says"


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(BadPolicy, match="'known'"):
        policy_of(rule("decline", "known"))


@pytest.mark.parametrize(
    "fault",
    [{"verdict": "ignore"}, {"verdict": "needs-human", "reply": "short"}, {"reply": "../short.en.txt"}, {"name": ""}],
)
def test_a_rule_that_makes_no_sense_is_refused(fault: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate({"name": "mine", "verdict": "decline", **fault})


def test_a_decision_quotes_the_words_that_gave_it() -> None:
    decision = decide(invitation(signals=("met", "topic")), policy_of())

    assert decision == Decision(
        Verdict.HUMAN,
        "claims-a-tie",
        (
            "they speak of a meeting or of a third person, which is for you to judge",
            "they wrote “we met in Lyon” (met)",
            "nobody of this name is in your records",
        ),
    )


def test_a_decision_lays_out_whoever_may_be_meant() -> None:
    ada = Acquaintance("contacts.vcf", Link.CONTACT, name="Ada Miller")
    matches = (Match(Known.MAYBE, ada, "Ada Miller stands in contacts.vcf"), Match(Known.MAYBE, ada, "A. Miller, too"))

    decision = decide(invitation(known="maybe", why="several of this name", matches=matches), policy_of())

    assert decision.because == (
        "you may have interacted, and only you can tell",
        "several of this name",
        "Ada Miller stands in contacts.vcf",
        "A. Miller, too",
    )


def test_a_decision_tells_what_else_the_records_say() -> None:
    claims = (Claim("met: Lyon", "contradicted", "you were in Oslo"),)
    findings = invitation(
        headline="Student at Lindenhof University", recommended=True, announced=True, claims=claims, earlier=2
    )

    decision = decide(findings, policy_of(preset="route-to-group"))

    assert decision.because == (
        "they study or research at your institution: the group is for them",
        "their headline says “Student at Lindenhof University”",
        "nobody of this name is in your records",
        "somebody you know recommended them to you by mail",
        "they announced the invitation to you by mail",
        "met: Lyon: contradicted, you were in Oslo",
        "you declined this person before (2 times)",
    )


def test_a_rule_without_a_reason_gives_the_facts_that_made_it_fit() -> None:
    decision = decide(invitation(company="Example Ltd"), policy_of(rule("accept-candidate", company="example*")))

    assert decision.because == ("their company is “Example Ltd”", "nobody of this name is in your records")


@pytest.mark.parametrize(
    ("headline", "group"),
    [
        ("Student at Lindenhof University", STUDENTS),
        ("Postdoktorandin, Universität Lindenhof", POSTDOCS),
        ("Librarian at Lindenhof University", None),
        ("Student at Thornley College", None),
        (None, None),
    ],
)
def test_each_group_is_for_its_own(headline: str | None, group: Group | None) -> None:
    policy = policy_of(groups=(STUDENTS, POSTDOCS))

    assert group_for(invitation(headline=headline), policy) == group


@pytest.mark.parametrize(
    ("preset", "template"),
    [
        ("previous-interaction", "previous-interaction"),
        ("route-to-group", "short"),
        ("one-good-reason", "ask-why"),
        ("no-boilerplate", None),
        ("met-in-some-form", None),
        ("open-door", None),
    ],
)
def test_the_owners_own_no_takes_the_answer_of_the_last_decline(preset: str, template: str | None) -> None:
    assert policy_of(preset=preset).decline_template == template


def test_the_fingerprint_changes_with_whatever_a_decision_depends_on() -> None:
    policies = [
        policy_of(),
        policy_of(rule(known="no")),
        policy_of(rule(known="maybe")),
        policy_of(groups=(STUDENTS,)),
        policy_of(preset="no-boilerplate"),
        policy_of(preset="no-boilerplate", strict=True),
        compile_policy(PolicySettings(), (), institutions=("Thornley College",), own=frozenset()),
    ]

    assert len({policy.fingerprint for policy in policies}) == len(policies)
    assert policy_of(rule(known="no")).fingerprint == policies[1].fingerprint


def test_the_owners_addresses_do_not_enter_the_text_of_the_policy() -> None:
    assert "owner@example.org" not in policy_of().text


def test_a_policy_reads_as_a_page() -> None:
    own = rule("decline", "sellers", "short", signals="pitch", known=["no", "maybe"], company="*marketing*")

    page = describe(policy_of(own))

    assert (
        page
        == """\
How I answer invitations to connect

Invitations are looked at in this order, and the first line that fits decides.
A reminder is the invitation it reminds of. What an invitation does not tell
counts against nobody. One that is malformed or not proved genuine, and one
whose note cannot be read, I look at myself.

 1. If we have not interacted yet or we may have interacted and the note
    sells, recruits or asks for money and the company is like “*marketing*”, I
    decline, with the answer “short”.
 2. If we have interacted outside the network, I accept.
 3. If we may have interacted, I look at it myself.
 4. If the note says where we met, names who suggested it or asks for an
    introduction to somebody, I look at it myself.
 5. In all other cases I decline, with the answer “previous-interaction”.
"""
    )


def test_a_row_about_groups_stands_only_where_there_are_groups() -> None:
    with_group, without = policy_of(preset="route-to-group", groups=(STUDENTS,)), policy_of(preset="route-to-group")

    assert {row.name for row in with_group.rows} - {row.name for row in without.rows} == {"group-for-them"}


def test_names_of_one_institution_in_two_languages_are_one() -> None:
    names = ("Lindenhof University", "Universität Lindenhof", "Thornley College")

    policy = compile_policy(PolicySettings(), (), institutions=names, own=frozenset())

    assert [institution.name for institution in policy.institutions] == ["Lindenhof University", "Thornley College"]


@pytest.mark.parametrize("field", When.model_fields)
def test_every_condition_can_be_read_aloud(field: str) -> None:
    values: dict[str, Any] = {
        "kind": "reminder",
        "known": "maybe",
        "note": "default",
        "signals": "met",
        "all_signals": "topic",
        "not_signals": "pitch",
        "affiliation": "student",
        "group": False,
        "recommended": True,
        "announced": False,
        "repeat": True,
    }

    page = describe(policy_of(rule("accept-candidate", **{field: values.get(field, "some")})))

    assert "1. If " in page
    assert "1. If ," not in page


# What the owner said once and for all

SAID = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
NEVER_HARBOUR = Standing(Scope.COMPANY, False, "Harbour University", "Harbour University", SAID, "c17")
ALWAYS_BOB = Standing(Scope.PERSON, True, "Bob", "linkedin:name:bob", SAID, "c3")


def bound(*words: Standing, rules: tuple[Rule, ...] = (EVERYBODY_IN,)) -> Policy:
    return replace(policy_of(*rules), standing=words)


def test_a_standing_word_comes_before_every_row_and_says_when_it_was_said() -> None:
    decision = decide(invitation(company="Harbour University", known="yes"), bound(NEVER_HARBOUR))

    because = (
        "you said 'never' for Harbour University on 2026-11-02 (c17)",
        "nobody of this name is in your records",
    )
    assert decision == Decision(Verdict.DECLINE, "standing-word", because)


@pytest.mark.parametrize(
    ("facts", "row"),
    [
        ({"authentic": "none"}, "not-proved-genuine"),
        ({"malformed": ("two From fields",)}, "malformed"),
        ({"address": "Owner@example.org"}, "from-yourself"),
        ({"kind": "accepted"}, "not-an-invitation"),
    ],
)
def test_the_etiquette_stands_above_every_word(facts: Mapping[str, Any], row: str) -> None:
    policy = bound(replace(ALWAYS_BOB, key="linkedin:name:ada miller"))
    assert decide(invitation(), policy).rule == "standing-word"

    assert decide(invitation(**facts), policy).rule == row


def test_a_word_about_a_person_comes_before_one_about_their_company() -> None:
    policy = bound(ALWAYS_BOB, NEVER_HARBOUR, rules=(rule("needs-human"),))

    decisions = [
        decide(invitation(name=name, company=company), policy).verdict
        for name in ("Bob", "Bea")
        for company in ("Harbour University", "Harbour Press", None)
    ]

    yes, no, asked = Verdict.ACCEPT, Verdict.DECLINE, Verdict.HUMAN
    assert decisions == [yes, yes, yes, no, asked, asked]


def test_a_word_about_a_person_is_for_that_network_and_for_a_mail_without_a_profile() -> None:
    policy = bound(ALWAYS_BOB, rules=(rule("needs-human"),))
    profile = invitation(name="Bob")
    elsewhere = replace(profile.notification, inviter=Person("Bob", profile_url="https://www.linkedin.com/in/bob"))

    assert decide(profile, policy).verdict is Verdict.ACCEPT
    assert decide(replace(profile, notification=elsewhere), policy).verdict is Verdict.HUMAN
    assert decide(invitation(name="Bob", network="xing"), policy).verdict is Verdict.HUMAN


def test_a_policy_with_a_word_is_another_policy_and_names_no_person() -> None:
    assert len({bound().fingerprint, bound(ALWAYS_BOB).fingerprint, bound(NEVER_HARBOUR).fingerprint}) == 3
    assert "Bob" not in bound(ALWAYS_BOB).text
    assert "Harbour University" in bound(NEVER_HARBOUR).text


def test_the_words_stand_below_the_table_in_plain_sentences() -> None:
    told = describe(bound(ALWAYS_BOB, NEVER_HARBOUR))

    assert told.endswith(
        "Before all that counts what I said of these:\n\n"
        "  - always Bob (person; c3, 2026-11-02)\n"
        "  - never Harbour University (company; c17, 2026-11-02)\n"
    )
    assert "what I said" not in describe(bound())
