"""Rounds under a clock that the test moves: the weekly summary comes once, whatever happens in between."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from gateway.journal.schema import digests
from gateway.model import State
from gateway.round import Round
from gateway.service import watch
from tests.canary import found_in
from tests.notifications import linkedin, old_linkedin
from tests.servers import Dovecot
from tests.submission import SmtpServer
from tests.test_story import Owner

MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that the test moves."""

    now: datetime = MONDAY - timedelta(days=5)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Scene:
    """An owner's rounds, one at a time."""

    owner: Owner
    work: Round
    clock: Clock

    def round_at(self, moment: datetime) -> None:
        self.clock.now = moment
        self.work.run()

    @property
    def summaries(self) -> list[str]:
        mails = [message_from_bytes(letter.raw, policy=default) for letter in self.owner.smtp.delivered]
        return [mail["X-Rsvpd-Week"] for mail in mails if mail["X-Rsvpd-Week"]]


@pytest.fixture
def scene(
    dovecot: Dovecot, smtp_server: SmtpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    login = dovecot.user()
    (tmp_path / "contacts.vcf").write_text("")
    (tmp_path / "imap-password").write_text(login.password)
    (tmp_path / "smtp-password").write_text(smtp_server.login.password)
    owner = Owner(dovecot, smtp_server, login, tmp_path)
    watched, clock = watch(owner.config()), Clock()
    for part in (watched.round, watched.round.records):
        part.clock = clock
    yield Scene(owner, watched.round, clock)
    watched.round.close()
    watched.lock.release()


def test_a_week_that_is_over_is_summed_up_once(scene: Scene) -> None:
    scene.owner.deliver(linkedin("Nina Newcomer"))
    scene.round_at(MONDAY - timedelta(days=5))
    scene.round_at(MONDAY - timedelta(minutes=1))
    before = list(scene.summaries)

    for minutes in (0, 1, 60, 60 * 24):
        scene.round_at(MONDAY + timedelta(minutes=minutes))

    assert before == []
    assert scene.summaries == ["2026-W47"]
    (letter,) = scene.owner.smtp.delivered
    assert letter.recipients == ("ada@example.org",)
    assert b"Nina Newcomer" in letter.raw


def test_weeks_of_downtime_end_in_one_summary(scene: Scene) -> None:
    scene.round_at(MONDAY - timedelta(days=5))

    scene.round_at(MONDAY + timedelta(days=22))
    scene.round_at(MONDAY + timedelta(days=23))

    assert scene.summaries == ["2026-W50"]


def test_a_clock_that_steps_back_repeats_no_summary(scene: Scene) -> None:
    scene.round_at(MONDAY - timedelta(days=5))

    for hours in (0, -1, 0, 1):
        scene.round_at(MONDAY + timedelta(hours=hours))

    assert scene.summaries == ["2026-W47"]


def test_no_summary_of_the_time_before_the_first_mail_was_looked_at(scene: Scene) -> None:
    scene.owner.deliver(linkedin("Nina Newcomer"))

    scene.round_at(MONDAY + timedelta(hours=1))

    assert scene.summaries == []


def test_a_summary_that_the_server_refused_for_now_comes_later(scene: Scene) -> None:
    scene.owner.deliver(linkedin("Nina Newcomer"))
    scene.round_at(MONDAY - timedelta(days=5))
    scene.owner.smtp.faults["mail"] = "451 4.3.0 later"

    scene.round_at(MONDAY)
    scene.round_at(MONDAY + timedelta(minutes=5))

    assert scene.summaries == ["2026-W47"]


@pytest.mark.parametrize("fate", ["lost", "dropped"])
def test_a_summary_cut_off_after_the_dot_is_not_repeated(scene: Scene, fate: str) -> None:
    scene.owner.deliver(linkedin("Nina Newcomer"))
    scene.round_at(MONDAY - timedelta(days=5))
    scene.owner.smtp.faults["dot"] = fate

    scene.round_at(MONDAY)
    scene.round_at(MONDAY + timedelta(minutes=5))

    assert len(scene.summaries) == (1 if fate == "lost" else 0)
    with scene.work.journal.store.read() as connection:
        (row,) = connection.execute(digests.select()).all()
    assert row.state == State.UNCERTAIN


def test_the_password_appears_nowhere(scene: Scene, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    canary = scene.owner.login.password
    scene.owner.smtp.faults["auth"] = f"535 5.7.8 no, {canary} is wrong"
    scene.owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))

    scene.round_at(MONDAY - timedelta(days=5))

    said = caplog.text.replace(f"no, {canary} is wrong", "") + repr(scene.work.config)
    files = [file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file()]
    smtp_secret = scene.owner.smtp.login.password
    assert found_in(said, canary, smtp_secret) == []
    assert found_in(b"".join(files).decode("latin-1"), smtp_secret) == []
