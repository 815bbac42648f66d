"""The owner's word on the command line: approve, decline, retry, list and show, against a running service."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.logbook import Lines
from gateway.model import State
from gateway.state import open_journal
from tests.notifications import linkedin, old_linkedin
from tests.test_story import DECLINED, REVIEW, Owner, owner, serving, settled, wait_for

__all__ = ["owner"]  # the fixture

OPERATIONS = Path(__file__).parents[1] / "docs" / "operations.md"


def rsvpd(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
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
    lines = [Lines(to_journal=False).format(record) for record in caplog.records if digits in record.getMessage()]

    shown = rsvpd("show", "--config", config.path, digits)

    page = [line.strip() for line in OPERATIONS.read_text("utf-8").splitlines() if line.startswith("    INFO ")]
    page = [line.replace(" owner=ada", "") for line in page]  # of the worker's context, which is over
    assert [line.replace("4d0c0675", digits).replace("c17", "c1") for line in page] == lines
    assert shown == rsvpd("show", "--config", config.path, "c1")
    assert f"c1, mail {digits}" in shown


def test_digits_that_no_mail_has_are_no_case(owner: Owner) -> None:
    done = CliRunner().invoke(main, ["show", "--config", str(owner.config().path), "0badcafe"])

    assert done.exit_code == 2
    assert "there is no case 0badcafe" in done.output
