"""Rows read off what the owner decided otherwise: proposed when it recurs, true to their word when pasted."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli import main
from gateway.commands.verbs import Verb
from gateway.config import Config, load
from gateway.deeds import carry_out
from gateway.explain import account, findings_in
from gateway.journal import Journal
from gateway.model import Findings, Judgement, Scope, Standing, State, Verdict
from gateway.owner import for_service, policy_of
from gateway.pipeline import process, take_in
from gateway.policy import Policy, decide
from gateway.state import open_journal
from gateway.suggest import Decided, Suggestion, as_toml, suggest
from tests.findings import invitation
from tests.notifications import MX, linkedin
from tests.test_bounces import NOW

ME = '[me]\nname = "Ada Miller"\naddresses = "ada@example.org"\ninstitution = "Lindenhof University"\n'
HARBOUR = "Harbour University"


def policy(more: str = "", folder: Path | None = None) -> Policy:
    """The compiled policy of a file with these rows."""
    if folder is None:
        return policy_of(Config.model_validate({"me": {"name": "Ada Miller", "institution": "Lindenhof University"}}))
    file = folder / "ada.toml"
    file.write_text(ME + more, "utf-8")
    return policy_of(load(file))


def stranger(number: int, company: str | None = HARBOUR, **told: object) -> Findings:
    return invitation(name=f"Person {number}", company=company, **told)  # type: ignore[arg-type]


ACCEPTED, DECLINED, BY_POLICY = ("accept-candidate", True), ("decline", True), ("decline", False)


def past(*rows: tuple[Findings, tuple[str, bool]]) -> list[Decided]:
    """Cases with the verdict they stand at, and whether that is the owner's."""
    numbered = enumerate(rows, 1)
    return [Decided(f"c{number}", findings, Verdict(verdict), own) for number, (findings, (verdict, own)) in numbered]


OTHERS = [(stranger(number, f"Company {number}"), BY_POLICY) for number in range(90, 95)]


def test_four_of_four_from_one_company_are_a_row_to_paste() -> None:
    found = suggest(past(*((stranger(number), ACCEPTED) for number in range(4)), *OTHERS), policy())

    assert "\n".join(map(as_toml, found)) == (
        "# You accepted 4 of 4 where the company is like “Harbour University”; add this row?\n"
        "# Of the cases so far it decides 4 otherwise than your policy does now:\n"
        "#   c1 Person 0: decline -> accept-candidate (you accepted)\n"
        "#   c2 Person 1: decline -> accept-candidate (you accepted)\n"
        "#   c3 Person 2: decline -> accept-candidate (you accepted)\n"
        "#   c4 Person 3: decline -> accept-candidate (you accepted)\n"
        "[[rule]]\n"
        'name = "accept-harbour-university"\n'
        'when = { company = "Harbour University" }\n'
        'verdict = "accept-candidate"\n'
    )


def test_a_quiet_no_can_be_made_a_loud_one() -> None:
    rows = [(stranger(number, known="yes"), DECLINED) for number in range(3)]

    (found,) = suggest(past(*rows, *OTHERS), policy())

    assert as_toml(found).endswith(
        'name = "decline-harbour-university"\n'
        'when = { company = "Harbour University" }\n'
        'verdict = "decline"\n'
        '# reply = "short"    # without a reply it is a quiet no\n'
    )


def conditions(found: tuple[Suggestion, ...]) -> list[dict[str, object]]:
    return [one.rule.when.model_dump(mode="json", exclude_defaults=True) for one in found]


@pytest.mark.parametrize("times", [0, 1, 2])
def test_what_does_not_recur_is_no_habit(times: int) -> None:
    assert suggest(past(*((stranger(number), ACCEPTED) for number in range(times)), *OTHERS), policy()) == ()


def test_one_decision_the_other_way_is_enough_against_a_row() -> None:
    rows = [(stranger(number), ACCEPTED) for number in range(6)]

    assert suggest(past(*rows, (stranger(7), DECLINED), *OTHERS), policy()) == ()


def test_a_second_condition_parts_what_was_decided_both_ways() -> None:
    personal = [(stranger(number, note="personal"), ACCEPTED) for number in range(3)]
    default = [(stranger(number), DECLINED) for number in range(3, 5)]
    elsewhere = [(stranger(number, "Elsewhere Ltd", note="personal"), DECLINED) for number in range(5, 7)]

    found = suggest(past(*personal, *default, *elsewhere), policy())

    assert conditions(found) == [{"company": [HARBOUR], "note": "personal"}]


def test_a_row_turns_over_next_to_nothing_that_nobody_minded() -> None:
    rows = [(stranger(number), ACCEPTED) for number in range(3)]
    unopposed = [(stranger(number), BY_POLICY) for number in range(3, 5)]

    assert len(suggest(past(*rows, unopposed[0], *OTHERS), policy())) == 1
    assert suggest(past(*rows, *unopposed, *OTHERS), policy()) == ()


def test_what_holds_for_every_case_is_no_condition() -> None:
    assert suggest(past(*((stranger(number, None), ACCEPTED) for number in range(5))), policy()) == ()


def test_the_company_tells_more_than_what_else_they_have_in_common() -> None:
    rows = [(stranger(number, headline=f"Cook at {HARBOUR}", note="personal"), ACCEPTED) for number in range(4)]

    assert conditions(suggest(past(*rows, *OTHERS), policy())) == [{"company": [HARBOUR]}]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"headline": "Choir conductor"}, {"headline": ["*conductor*"]}),
        ({"signals": ("topic",)}, {"signals": ["topic"]}),
        ({"note": "personal"}, {"note": "personal"}),
        ({"language": "fr"}, {"language": ["fr"]}),
        ({"network": "xing"}, {"network": ["xing"]}),
        ({"headline": "PhD student, Lindenhof University"}, {"affiliation": ["student"]}),
    ],
)
def test_each_key_of_a_rule_can_be_the_reason(told: dict[str, object], expected: dict[str, object]) -> None:
    rows = [(stranger(number, None, **told), ACCEPTED) for number in range(3)]

    assert conditions(suggest(past(*rows, *OTHERS), policy())) == [expected]


def test_what_no_row_could_decide_proves_nothing() -> None:
    unproved = [(stranger(number, authentic="none"), ACCEPTED) for number in range(4)]
    word = Standing(Scope.COMPANY, False, HARBOUR, HARBOUR, datetime.now(UTC), "c1")
    spoken = Policy(policy().rows, (), (), frozenset(), standing=(word,))
    genuine = [(stranger(number), ACCEPTED) for number in range(4)]

    assert suggest(past(*unproved, *OTHERS), policy()) == ()
    assert suggest(past(*genuine, *OTHERS), spoken) == ()
    assert len(suggest(past(*genuine, *OTHERS), policy())) == 1


def test_two_habits_are_two_rows_the_better_supported_first() -> None:
    few = [(stranger(number, "Few Ltd"), ACCEPTED) for number in range(3)]
    many = [(stranger(number, "Many Ltd", known="yes"), DECLINED) for number in range(3, 8)]

    found = suggest(past(*few, *many, *OTHERS), policy())

    assert [one.rule.name for one in found] == ["decline-many-ltd", "accept-few-ltd"]


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    taken = '[[rule]]\nname = "accept-harbour-university"\nwhen = { name = "Nobody" }\nverdict = "decline"\n'
    rows = [(stranger(number), ACCEPTED) for number in range(3)]

    (found,) = suggest(past(*rows, *OTHERS), policy(taken, tmp_path))

    assert found.rule.name == "accept-harbour-university-2"


@pytest.mark.parametrize("company", ["C* & [Sons]?", 'Say "Hi" \\ Ltd', "Müller—Söhne", "’s-Hertogenbosch"])
def test_an_odd_name_is_still_a_row_that_fits(company: str, tmp_path: Path) -> None:
    rows = past(*((stranger(number, company), ACCEPTED) for number in range(3)), *OTHERS)

    (found,) = suggest(rows, policy())

    after = policy(as_toml(found), tmp_path)
    assert [str(decide(row.findings, after).verdict) for row in rows[:3]] == ["accept-candidate"] * 3


FINDINGS = st.builds(
    stranger,
    st.integers(1, 9),
    st.sampled_from([None, HARBOUR, "Elsewhere Ltd"]),
    note=st.sampled_from(["default", "personal"]),
    known=st.sampled_from(["yes", "no", "maybe"]),
    headline=st.sampled_from([None, "Choir conductor", "Student, Lindenhof University"]),
    authentic=st.sampled_from(["pass", "pass", "none"]),
)
DECISIONS = st.sampled_from([("accept-candidate", True), ("decline", True), ("decline", False), ("needs-human", False)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FINDINGS, DECISIONS), min_size=3, max_size=15))
def test_a_pasted_row_does_what_was_said_of_it(rows: list[tuple[Findings, tuple[str, bool]]]) -> None:
    decided, before = past(*rows), policy()
    for found in suggest(decided, before):
        me = {"name": "Ada Miller", "institution": "Lindenhof University"}
        after = policy_of(Config.model_validate({"me": me, **tomllib.loads(as_toml(found))}))
        both = {row.case: [decide(row.findings, one).verdict for one in (before, after)] for row in decided}

        assert {case for case, (then, now) in both.items() if then is not now} == {
            change.case.case for change in found.changes
        }
        assert all(change.after is found.rule.verdict for change in found.changes)
        mine = [change for change in found.changes if change.case.by_owner]
        assert len(mine) == found.overruled >= 3
        assert all(change.case.verdict is found.rule.verdict for change in mine)


# From the journal


def test_an_account_holds_what_a_rule_looks_at() -> None:
    told = invitation(
        headline="Cook", company=HARBOUR, signals=("met", "topic"), known="maybe", text="Hi", language="de"
    )
    decision = decide(told, policy())

    again = findings_in(account(Judgement("c1", decision, told), None))

    assert again is not None
    assert again.notification.inviter == told.notification.inviter
    assert (again.note.signals, again.note.language) == (told.note.signals, told.note.language)
    assert decide(again, policy()).verdict is decision.verdict
    assert findings_in(account(Judgement("", decision), None)) is None


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    file = tmp_path / "ada.toml"
    file.write_text(f'{ME}[authentication]\nauthserv_id = "{MX}"\n', "utf-8")
    return load(file)


def accepted(config: Config, journal: Journal, count: int) -> None:
    """Strangers come, and the owner accepts those of one company."""
    places = [HARBOUR] * count + ["Elsewhere Ltd"]
    for number, place in enumerate(places, 1):
        raw = linkedin(f"Person {number}", headline=f"Professor at {place}")
        take_in(raw, None, journal, NOW)
        (entry,) = journal.entries(State.NEW)
        process([entry], for_service(config, journal), journal, NOW)
        case = journal.case(f"c{number}")
        assert case is not None
        if place == HARBOUR:
            carry_out(Verb.ACCEPT, config, journal, case, NOW)


def test_suggest_prints_a_row_which_pasted_ends_the_matter(config: Config) -> None:
    accepted(config, open_journal(config), 3)
    assert config.path is not None

    said = CliRunner().invoke(main, ["suggest", str(config.path)])
    file = config.path.read_text("utf-8")
    config.path.write_text(file + said.output, "utf-8")
    again = CliRunner().invoke(main, ["suggest", str(config.path)])

    assert (said.exit_code, again.exit_code) == (0, 0)
    assert 'when = { company = "Harbour University" }' in said.output
    assert again.output.startswith("Nothing to suggest")
    assert load(config.path).rule[0].name == "accept-harbour-university"
