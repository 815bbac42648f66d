"""The owner's word on the command line: approve, decline, retry, list and show, against a running service."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.events import OWNER
from gateway.logbook import Lines
from gateway.model import State, Verdict
from gateway.state import open_journal
from tests.desk import HOLD, STRANGER, Desk, _begin, _lone_owner
from tests.notifications import linkedin, old_linkedin, reminder
from tests.test_story import ACCEPT, DECLINED, REVIEW, Owner, owner, serving, settled, wait_for

__all__ = ["_begin", "_lone_owner", "owner"]  # the fixtures

OPERATIONS = Path(__file__).parents[1] / "docs" / "operations.md"


def rsvpd(*arguments: object) -> str:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def unclear() -> bytes:
    return old_linkedin("Sam Twice", "sam@three.example")


def test_declining_a_case_sends_the_answer_and_files_the_mail_anew(owner: Owner) -> None:
    config = owner.config()
    owner.deliver(unclear())
    with serving(config):
        wait_for(settled(config, 1), "the first judgement")
    assert owner.names(REVIEW) == ["Sam Twice via LinkedIn"]

    said = rsvpd("decline", "--config", config.path, "c1")
    with serving(config):
        wait_for(settled(config, 1), "the answer")
        wait_for(lambda: owner.names(DECLINED) != [], "the filing")

    assert "the answer to sam@three.example goes out" in said
    assert [letter.recipients for letter in owner.smtp.delivered] == [("sam@three.example",)]
    assert owner.names(REVIEW) == []


def test_a_case_is_declined_once(owner: Owner) -> None:
    config = owner.config()
    owner.deliver(unclear())
    with serving(config):
        wait_for(settled(config, 1), "the first judgement")
    rsvpd("decline", "--config", config.path, "c1")
    with serving(config):
        wait_for(settled(config, 1), "the answer")

    said = rsvpd("decline", "--config", config.path, "c1")

    assert "was answered already" in said
    assert len(owner.smtp.delivered) == 1


def test_declining_whom_no_mail_reaches_gives_the_text_to_paste(owner: Owner) -> None:
    config = owner.config()
    owner.deliver(linkedin("Sam Twice"))
    with serving(config):
        wait_for(settled(config, 1), "the first judgement")

    said = rsvpd("decline", "--config", config.path, "c1")

    assert "no mail reaches the inviter" in said
    assert "Thank you for the invitation" in said


def test_approving_a_case_says_where_to_accept(owner: Owner) -> None:
    config = owner.config()
    owner.deliver(linkedin("Sam Twice"))
    with serving(config):
        wait_for(settled(config, 1), "the first judgement")

    said = rsvpd("approve", "--config", config.path, "c1")

    assert "Accept here: https://www.linkedin.com/in/sam-twice" in said
    assert owner.smtp.delivered == []


def test_an_uncertain_answer_goes_out_again_only_at_the_owners_word(owner: Owner) -> None:
    config = owner.config()
    owner.smtp.faults["dot"] = "dropped"
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))
    journal = open_journal(config)
    with serving(config):
        wait_for(lambda: len(journal.entries(State.UNCERTAIN)) == 1, "the parking")
    assert "uncertain" in rsvpd("show", "--config", config.path, "c1")

    rsvpd("retry", "--config", config.path, "c1")
    with serving(config):
        wait_for(settled(config, 1), "the answer")

    assert len(owner.smtp.delivered) == 1


def test_what_waits_is_listed_and_what_is_done_only_when_asked_for(owner: Owner) -> None:
    config = owner.config()
    owner.deliver(linkedin("Sam Twice"), old_linkedin("Olga Stranger", "olga@somewhere.example"))
    with serving(config):
        wait_for(settled(config, 2), "the judgements")

    waiting, everything = rsvpd("list", "--config", config.path), rsvpd("list", "--all", "--config", config.path)

    assert "Sam" in waiting
    assert "Olga" not in waiting
    assert "Olga" in everything


def test_the_log_names_mail_and_case_as_show_does_and_as_the_page_says(
    owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = owner.config()
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))
    with serving(config):
        wait_for(settled(config, 1), "the answer")
    digits = open_journal(config).entries(State.SENT)[0].key[:8]
    told = [record for record in caplog.records if digits in record.getMessage()]
    lines = copy_context().run(in_a_round_of, "ada", told)

    shown = rsvpd("show", "--config", config.path, digits)

    page = [line.strip() for line in OPERATIONS.read_text("utf-8").splitlines() if line.startswith("    INFO ")]
    assert [line.replace("4d0c0675", digits).replace("c17", "c1") for line in page] == lines
    assert shown == rsvpd("show", "--config", config.path, "c1")
    assert f"c1, mail {digits}" in shown


def in_a_round_of(name: str, records: list[logging.LogRecord]) -> list[str]:
    OWNER.set(name)
    return [Lines(to_journal=False).format(record) for record in records]


def test_digits_that_no_mail_has_are_no_case(owner: Owner) -> None:
    done = CliRunner().invoke(main, ["show", "--config", str(owner.config().path), "0badcafe"])

    assert done.exit_code == 2
    assert "there is no case 0badcafe" in done.output


def listed(desk: Desk, *options: str) -> str:
    """What `list` prints, single-spaced."""
    return " ".join(rsvpd("list", *options, "--config", desk.config.path).split())


def shown(desk: Desk, case: str = "c1") -> str:
    return " ".join(rsvpd("show", "--config", desk.config.path, case).replace("│", " ").split())


def in_tokyo(desk: Desk) -> None:
    file = desk.owner.folder / "ada.toml"
    file.write_text(file.read_text().replace("[evidence]", 'timezone = "Asia/Tokyo"\n[evidence]'))


def test_an_answer_in_its_hold_is_listed_with_when_it_goes_out_in_the_owners_time(begin: Callable[..., Desk]) -> None:
    desk = begin(old_linkedin(*STRANGER))
    in_tokyo(desk)
    out = (desk.clock.now + HOLD).astimezone(ZoneInfo("Asia/Tokyo"))

    assert f"the answer goes out {out:%Y-%m-%d %H:%M}" in listed(desk)


def test_what_was_answered_says_so_and_the_mail_servers_words_stand_in_the_case_alone(
    begin: Callable[..., Desk],
) -> None:
    desk = begin(old_linkedin(*STRANGER), hold="0s")
    (entry,) = desk.journal.entries(State.SENT)

    assert "Nothing waits for you." in listed(desk)
    assert f"decline answered by mail, {desk.clock.now:%Y-%m-%d}" in listed(desk, "--all")
    assert entry.why
    assert entry.why not in listed(desk, "--all")
    assert entry.why in shown(desk)


@pytest.mark.parametrize(
    ("settings", "age", "stands"),
    [
        ({"mode": "draft"}, timedelta(minutes=5), "the answer lies in your Drafts folder"),
        ({}, timedelta(days=8), "too old to be answered unasked: rsvpd decline c1"),
    ],
)
def test_drafts_and_what_is_too_old_are_counted_and_listed_when_asked_for(
    begin: Callable[..., Desk], settings: dict[str, str], age: timedelta, stands: str
) -> None:
    desk = begin(old_linkedin(*STRANGER, age=age), **settings)

    first, everything = listed(desk), listed(desk, "--all")

    assert first == (
        "Nothing waits for you. `rsvpd list --all` shows all cases. "
        "In your Drafts folder, or too old to be answered unasked: 1 (--all)."
    )
    assert stands in everything
    assert stands in shown(desk)


@pytest.mark.parametrize("verb", ["approve", "never"])
def test_what_the_owner_decided_since_is_counted_no_more(begin: Callable[..., Desk], verb: str) -> None:
    desk = begin(old_linkedin(*STRANGER, age=timedelta(days=8)))

    rsvpd(verb, "--config", desk.config.path, "c1")

    assert "too old" not in listed(desk)


@pytest.mark.parametrize(
    ("verb", "stands", "said"),
    [
        ("approve", "accept-candidate (you) accept it in the network", "accept-candidate (you) Bob Stranger"),
        ("never", "decline (you) declined quietly", "decline (you) Bob Stranger"),
    ],
)
def test_the_owners_word_comes_before_a_text_to_paste(
    begin: Callable[..., Desk], verb: str, stands: str, said: str
) -> None:
    desk = begin(linkedin("Bob Stranger"))
    before, case = listed(desk), shown(desk)

    rsvpd(verb, "--config", desk.config.path, "c1")
    desk.round()

    assert "paste the short text" in before
    assert "To paste into the network" in case
    assert "Nothing waits for you." in listed(desk)
    assert stands in listed(desk, "--all")
    after = shown(desk)
    assert said in after
    assert f"stands {stands.partition(' (you) ')[2]}" in after
    assert "paste" not in after.partition("mail came in")[0]


def test_a_word_said_after_a_decline_with_a_text_takes_the_text_back(begin: Callable[..., Desk]) -> None:
    desk = begin(linkedin("Sam Twice"))
    rsvpd("decline", "--config", desk.config.path, "c1")
    before = listed(desk)

    rsvpd("never", "--config", desk.config.path, "c1")

    assert "paste the short text" in before
    assert "Nothing waits for you." in listed(desk)
    assert "declined quietly" in listed(desk, "--all")


def test_what_was_moved_to_review_waits_for_its_owner_whatever_was_meant_to_follow(begin: Callable[..., Desk]) -> None:
    desk = begin(linkedin("Bob Stranger"))
    desk.journal.overrule(desk.journal.cases()[0], Verdict.HUMAN, "moved", desk.clock.now)

    assert "waits for you" in listed(desk)
    assert "paste" not in listed(desk)


def test_an_approved_case_that_was_too_old_is_not_left_to_a_word_that_was_said(begin: Callable[..., Desk]) -> None:
    desk = begin(old_linkedin(*STRANGER, age=timedelta(days=8)))
    desk.move(DECLINED, ACCEPT)

    desk.round()

    assert "accept-candidate (you) accept it in the network" in listed(desk, "--all")


def test_an_answer_that_was_refused_waits_until_the_owner_says_otherwise(begin: Callable[..., Desk]) -> None:
    desk = begin(old_linkedin(*STRANGER), hold="0s")
    (entry,) = desk.journal.entries(State.SENT)
    desk.journal.settle(entry, State.REFUSED, desk.clock.now, why="the answer came back")
    before = listed(desk)

    rsvpd("never", "--config", desk.config.path, "c1")

    assert "the answer came back" in before
    assert "Nothing waits for you." in listed(desk)


def test_a_case_is_told_in_the_owners_time_and_in_words_a_person_knows(begin: Callable[..., Desk]) -> None:
    desk = begin(old_linkedin(*STRANGER), hold="0s")
    desk.owner.deliver(reminder(STRANGER[0]))
    desk.round()
    in_tokyo(desk)
    (entry,) = desk.journal.entries(State.SENT)

    told = shown(desk)

    came = entry.taken_in.astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"{entry.key[:8]}, {came:%Y-%m-%d %H:%M}" in told
    assert f"{came:%Y-%m-%d %H:%M:%S} mail came in" in told
    assert told.count("Asia/Tokyo") == 1
    assert "UTC" not in told
    for word in ("taken-in", " dot ", " due ", "judged: judged"):
        assert word not in told
    assert re.search(r"mail server takes the answer .* answered by mail", told)
    assert not re.search(r"[0-9a-f]{32}", told)
