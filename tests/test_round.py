"""Rounds under a clock that the test moves: the weekly summary comes once, whatever happens in between."""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from sqlalchemy import event

from gateway import imap
from gateway.cli import main
from gateway.commands.verbs import Verb
from gateway.config import Digest
from gateway.deeds import carry_out
from gateway.errors import DnsAway, MailboxFailed
from gateway.imap import Fetched, Session
from gateway.journal.schema import digests
from gateway.model import Mail, Provenance, State
from gateway.pipeline import PAUSED
from gateway.review import summary
from gateway.round import Round
from tests.canary import found_in
from tests.clock import Clock, watch_by
from tests.notifications import linkedin, old_linkedin
from tests.test_digest import section_of
from tests.test_story import Owner, owner

__all__ = ["owner"]  # the fixture

MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


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
        return [mail["X-Rsvpd-Week"] for mail in self._summaries()]

    @property
    def told(self) -> str:
        """The text of the latest summary."""
        body = self._summaries()[-1].get_body(("plain",))
        assert isinstance(body, EmailMessage)
        return str(body.get_content()).replace("\r\n", "\n")

    def _summaries(self) -> list[EmailMessage]:
        mails = [message_from_bytes(letter.raw, policy=default) for letter in self.owner.smtp.delivered]
        return [mail for mail in mails if isinstance(mail, EmailMessage) and mail["X-Rsvpd-Week"]]


@pytest.fixture
def scene(owner: Owner) -> Iterator[Scene]:
    (owner.folder / "contacts.vcf").write_text("")
    with at_work(owner) as found:
        yield found


@contextmanager
def at_work(owner: Owner, **settings: str) -> Iterator[Scene]:
    """Rounds of an owner with these settings, under a clock that the test moves."""
    clock = Clock(MONDAY - timedelta(days=5))
    watched = watch_by(clock, owner.config(**settings))
    try:
        yield Scene(owner, watched.round, clock)
    finally:
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


def test_after_weeks_of_downtime_each_has_its_summary(scene: Scene) -> None:
    """What happened before the program stopped is told, and of the weeks it slept through, that it slept."""
    scene.owner.deliver(linkedin("Nina Newcomer"))
    scene.round_at(MONDAY - timedelta(days=5))

    scene.round_at(MONDAY + timedelta(days=22))
    scene.round_at(MONDAY + timedelta(days=23))

    assert scene.summaries == ["2026-W47", "2026-W48", "2026-W49", "2026-W50"]
    told = [b"did not run" in letter.raw for letter in scene.owner.smtp.delivered]
    assert told == [False, True, True, True]
    assert b"Nina Newcomer" in scene.owner.smtp.delivered[0].raw


def test_a_summary_that_is_months_late_comes_no_more(scene: Scene) -> None:
    scene.round_at(MONDAY - timedelta(days=5))

    scene.round_at(MONDAY + timedelta(days=200))

    assert len(scene.summaries) == 5


def test_a_clock_that_steps_back_repeats_no_summary(scene: Scene) -> None:
    scene.round_at(MONDAY - timedelta(days=5))

    for hours in (0, -1, 0, 1):
        scene.round_at(MONDAY + timedelta(hours=hours))

    assert scene.summaries == ["2026-W47"]


def test_the_summary_tells_how_cases_stand_now(scene: Scene) -> None:
    met = "Hello Ada, we met at the workshop in Lyon."
    scene.owner.deliver(
        linkedin("Nina Newcomer"),
        old_linkedin("Olga Stranger", "olga@somewhere.example"),
        linkedin("Sam Sailor", note=met),
        linkedin("Tom Tailor", note=met),
        linkedin("Una Ulterior", note=met, dkim="fail"),
    )
    scene.round_at(MONDAY - timedelta(days=5))
    tom = next(case for case in scene.work.journal.cases() if case.inviter.name == "Tom Tailor")
    carry_out(Verb.ACCEPT, scene.work.config, scene.work.journal, tom, MONDAY - timedelta(days=4))

    scene.round_at(MONDAY)

    told = scene.told
    assert "Invitations: 5, accept?: 1, needs you: 2, declined: 2." in told
    needs = section_of(told, "Needs you")
    assert "Sam Sailor" in needs
    assert "Text to paste if you decline:\n    Thank you for the invitation, Sam!" in needs
    assert "Una Ulterior" in needs
    assert needs.count("Text to paste") == 1
    assert "Tom Tailor" not in needs
    assert "Tom Tailor" in section_of(told, "Decided by you")
    assert "Nina Newcomer" in section_of(told, "To paste")
    assert "Answered by mail (olga@somewhere.example)." in section_of(told, "Declined and answered")
    assert "* previous-interaction: sent 1\n" in section_of(told, "What became of your letters") + "\n"
    assert re.search(r"^2026-W47 +5  \+\?\?--$", section_of(told, "Week by week"), re.MULTILINE)


def test_a_week_without_news_is_skipped_where_that_is_asked_for_but_never_trouble(scene: Scene) -> None:
    scene.work.config = scene.work.config.model_copy(update={"digest": Digest(empty="skip")})
    notice, subject = "email_accept_invite_single_01", "Una accepted your invitation"
    scene.owner.deliver(linkedin("Una Else via LinkedIn", template=notice, subject=subject))
    scene.round_at(MONDAY - timedelta(days=5))

    scene.round_at(MONDAY)
    before = scene.summaries
    scene.work.journal.set_fact(PAUSED, "by the owner")
    scene.round_at(MONDAY + timedelta(weeks=1))

    assert before == []
    assert scene.summaries == ["2026-W48"]
    assert "Sending is paused" in scene.told


def test_a_mailbox_that_was_away_all_week_is_no_empty_week(scene: Scene) -> None:
    scene.round_at(MONDAY - timedelta(days=5))
    connect = scene.work.connect
    scene.work.close()
    scene.work.connect = away
    for hours in (-80, -79, -2, 0):
        with pytest.raises(MailboxFailed):
            scene.round_at(MONDAY + timedelta(hours=hours))
    told = scene.told
    scene.work.connect = connect

    scene.round_at(MONDAY + timedelta(hours=1))
    scene.round_at(MONDAY + timedelta(weeks=1))

    assert "could not be looked at since 20 Nov 2026: imap.example.org: no route to it." in " ".join(told.split())
    assert "could not be looked at" not in scene.told


def away() -> Session:
    raise MailboxFailed("imap.example.org: no route to it")


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


def forms(secret: str) -> list[str]:
    """A secret as a server may repeat it; in base64 alone, and behind the user's name."""
    raw = secret.encode()
    encoded = [b64encode(before + raw).decode() for before in (b"", b"\0ada\0", b"xx")]
    return [secret, quote(secret, safe=""), raw.hex(), raw.hex().upper(), *encoded]


def test_no_form_of_a_password_is_in_a_log_a_traceback_the_journal_or_what_the_owner_reads(
    scene: Scene, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = (scene.owner.login.password, scene.owner.smtp.login.password)
    config, smtp = scene.work.config, scene.owner.smtp
    scene.owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))
    for hours, said in enumerate(forms(secrets[1])):
        smtp.faults["auth"] = f"535 5.7.8 I do not know {said}"
        scene.round_at(MONDAY - timedelta(days=5) + timedelta(hours=8 * hours))
    smtp.faults["mail"] = "cut"
    scene.round_at(MONDAY - timedelta(days=1))
    scene.work.post = broken
    with pytest.raises(ZeroDivisionError) as fault:
        scene.round_at(MONDAY)
    logging.getLogger("gateway").error("a fault of rsvpd's own", exc_info=fault.value)
    for arguments in (["list", "--all"], ["show", "c1"]):
        print(CliRunner().invoke(main, [*arguments, "--config", str(config.path)]).output)
    print(summary(config, scene.work.journal, None, MONDAY), config, scene.work)

    written = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())
    everything = written + (caplog.text + capsys.readouterr().out).encode()
    # The last letters of base64 depend on what stands behind.
    wanted = [form[:-4] if form[-1] == "=" else form for secret in secrets for form in forms(secret)]
    assert [form for form in wanted if form.encode() in everything] == []
    assert b"its words repeat the password" in everything
    assert b"Olga Stranger" in everything


def broken(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
    return str(1 // 0)


def test_a_mail_server_that_refuses_the_login_is_asked_ever_more_rarely(scene: Scene) -> None:
    scene.owner.smtp.lasting, scene.owner.smtp.faults["auth"] = True, "535 5.7.8 no"
    for number in range(5):
        scene.owner.deliver(old_linkedin(f"{'ABCDE'[number]}nna Stranger", f"a{number}@d{number}.example"))

    for minute in range(0, 12 * 60, 30):
        scene.round_at(MONDAY - timedelta(hours=1) + timedelta(minutes=minute))

    assert 3 <= scene.owner.smtp.verbs.count("AUTH") <= 9
    assert scene.owner.smtp.delivered == []


def test_a_summary_that_nobody_takes_is_offered_ever_more_rarely(scene: Scene) -> None:
    scene.owner.smtp.lasting, scene.owner.smtp.faults["rcpt"] = True, "550 5.1.1 nobody here"
    scene.owner.deliver(linkedin("Nina Newcomer"))

    for minute in range(-30, 12 * 60, 30):
        scene.round_at(MONDAY + timedelta(minutes=minute))

    assert 3 <= scene.owner.smtp.verbs.count("RCPT") <= 9


def test_no_round_listens_so_long_that_a_server_may_hang_up(scene: Scene) -> None:
    scene.clock.now = MONDAY

    assert 0 < scene.work.run() <= timedelta(minutes=9).total_seconds()


def test_a_mail_waits_for_a_name_server_and_is_judged_when_it_is_back(scene: Scene) -> None:
    def away(_mail: Mail) -> Provenance:
        raise DnsAway("no name server answers")

    scene.owner.deliver(linkedin("Nina Newcomer"))
    owner = scene.work.owner
    scene.work.owner = replace(owner, authenticate=away)
    for minute in range(5):
        scene.round_at(MONDAY - timedelta(minutes=30 - minute))
    (waiting,) = scene.work.journal.entries(*State)
    scene.work.owner = owner
    scene.round_at(MONDAY - timedelta(minutes=20))

    (judged,) = scene.work.journal.entries(*State)
    assert (waiting.state, judged.state) == (State.NEW, State.CLOSED)


def test_an_answer_of_ours_that_comes_back_into_the_inbox_is_no_invitation(scene: Scene) -> None:
    scene.owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))
    scene.round_at(MONDAY - timedelta(days=5))
    (letter,) = scene.owner.smtp.delivered
    again = letter.raw.replace(b"From: Ada Miller <ada@example.org>", b"From: Olga <member@linkedin.com>")
    scene.owner.deliver(letter.raw, again)

    for hours in range(3):
        scene.round_at(MONDAY - timedelta(days=4, hours=hours))

    assert len(scene.owner.smtp.delivered) == 1


def test_mails_that_are_taken_in_are_not_held_beside_the_next(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = Session.fetch_together
    held: list[int] = []

    def watched(session: Session, uids: Sequence[int], *, largest: int) -> Iterator[list[Fetched]]:
        for batch in fetch(session, uids, largest=largest):
            yield batch
            held.append(len(batch))

    monkeypatch.setattr(imap, "_BATCH", 1)
    monkeypatch.setattr(Session, "fetch_together", watched)
    scene.owner.deliver(*(linkedin(name) for name in ("Ada Stranger", "Bob Stranger", "Eve Stranger")))

    scene.round_at(MONDAY - timedelta(days=5))

    assert held == [0, 0, 0]


def test_the_same_mails_under_other_numbers_are_not_answered_again(scene: Scene) -> None:
    mails = [old_linkedin("Olga Stranger", "olga@somewhere.example"), linkedin("Nina Newcomer")]
    scene.owner.deliver(*mails)
    scene.round_at(MONDAY - timedelta(days=5))
    with scene.owner.mailbox() as client:
        for folder in ("Invitations/Declined", "Invitations/Review"):
            client.delete_folder(folder)
    scene.owner.deliver(*mails, *mails)
    scene.work.close()
    scene.owner.dovecot.renumber(scene.owner.login)

    for hours in range(3):
        scene.round_at(MONDAY - timedelta(days=4, hours=hours))

    assert len(scene.owner.smtp.delivered) == 1
    assert len(scene.work.journal.entries(*State)) == len(mails)


def test_a_round_that_ends_amid_a_backlog_has_read_what_it_took_in(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.owner.deliver(*(linkedin(f"Nina Newcomer{letter}", slug=f"nina-{letter}") for letter in "abc"))
    usual = Session.fetch_together
    read: list[int] = []

    def fetch_together(self: Session, uids: Sequence[int], *, largest: int) -> Iterator[list[Fetched]]:
        for uid in uids:
            if len(read) == 2:
                raise MailboxFailed("the connection was lost")
            read.append(uid)
            yield from usual(self, [uid], largest=largest)

    monkeypatch.setattr(Session, "fetch_together", fetch_together)
    with pytest.raises(MailboxFailed, match="lost"):
        scene.round_at(MONDAY - timedelta(days=5))
    cursor = scene.work.journal.cursor("INBOX")[1]
    monkeypatch.setattr(Session, "fetch_together", usual)
    scene.round_at(MONDAY - timedelta(days=5, minutes=-1))

    assert cursor == read[1]
    assert len(scene.work.journal.entries(*State)) == 3


def test_a_round_to_which_nothing_happens_asks_little(scene: Scene) -> None:
    scene.owner.deliver(linkedin("Nina Newcomer"))
    for minutes in range(3):
        scene.round_at(MONDAY - timedelta(days=5, minutes=-minutes))
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    session = scene.work.session
    assert session is not None
    before = session._client._imap.tagnum
    event.listen(scene.work.journal.store.engine, "before_cursor_execute", note)
    scene.round_at(MONDAY - timedelta(days=5, minutes=-3))
    event.remove(scene.work.journal.store.engine, "before_cursor_execute", note)

    assert session._client._imap.tagnum - before == 6  # to the inbox, our three folders, the inbox again, and listen
    assert len(asked) <= 20
