"""Commands by mail at a real Dovecot: obeyed once, only from the owner, and confirmed to nobody else."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP, default
from html import unescape
from secrets import token_hex
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from gateway.cli import main
from gateway.commands import LASTS, answer_links
from gateway.errors import JournalFailed, MailboxFailed
from gateway.filing import KEYWORD
from gateway.imap import Session
from gateway.journal.schema import metadata, nonces
from gateway.model import State
from gateway.orders import PATIENCE
from tests.clock import Clock
from tests.notifications import MX, linkedin, old_linkedin
from tests.test_commands import ADA
from tests.test_round import MONDAY, Scene, at_work
from tests.test_story import Owner, owner, serving, settled, wait_for

__all__ = ["owner"]  # the fixture
# What differs between the databases, test_journal_orders.py looks at.
pytestmark = pytest.mark.parametrize("owner", ["sqlite"], indirect=True)

PASS = "dkim=pass header.d=example.org"
START = MONDAY - timedelta(days=5)
MET = "Hi Ada, we met at the spring school in Lyon. - {name}"


@pytest.fixture
def scene(owner: Owner) -> Iterator[Scene]:
    """Mia, whom a mail reaches, waits for the owner's word as c1."""
    with at_work(owner) as scene:
        invited(scene)
        yield scene


def invited(scene: Scene, name: str = "Mia Meeting", address: str = "mia@elsewhere.example") -> None:
    scene.owner.deliver(old_linkedin(name, address, note=MET))
    scene.round_at(scene.clock.now)


def to_myself(subject: str, text: str = "", *, answers: str = "", results: str | None = PASS, **fields: str) -> bytes:
    """A mail of the owner's to themselves as their mail server delivers it; `results` is what that found out."""
    message = EmailMessage(policy=SMTP)
    if results:
        message["Authentication-Results"] = f"{MX}; {results}"
    message["Received"] = f"from [192.0.2.9] (dsl.isp.example [192.0.2.9]) by {MX} with ESMTPSA id 1; now"
    usual = {
        "From": f"Ada Miller <{ADA}>",
        "To": ADA,
        "Subject": subject,
        "Message-ID": f"<{token_hex(8)}@mua.example>",
    }
    for name, value in {
        **usual,
        "In-Reply-To": answers,
        **{key.replace("_", "-"): v for key, v in fields.items()},
    }.items():
        if value:
            message[name] = value
    message.set_content(text or "Send this mail as it is.\n")
    return message.as_bytes()


def link(scene: Scene, verb: str = "decline", case: str = "c1", *, secret: bytes | None = None) -> str:
    """The subject of the mail that a link of a summary made now opens."""
    found = answer_links(secret or scene.work.owner.secret, ADA, case, scene.clock.now)
    (href,) = (answer.href for answer in found if answer.verb == verb)
    return parse_qs(urlsplit(href).query)["subject"][0]


def told(scene: Scene, *mails: bytes, after: timedelta = timedelta()) -> None:
    """Deliver mails, and do a round."""
    scene.owner.deliver(*mails)
    scene.round_at(scene.clock.now + after)


def letters(scene: Scene) -> list[Message]:
    """Mails to anybody but the owner."""
    return [message_from_bytes(sent.raw) for sent in scene.owner.smtp.delivered if sent.recipients != (ADA,)]


def confirmations(scene: Scene) -> list[str]:
    """What the owner was told about commands, subject and text."""
    mails = [message_from_bytes(sent.raw, policy=default) for sent in scene.owner.smtp.delivered]
    mine = [mail for mail in mails if mail["To"] == ADA and not mail["X-Rsvpd-Week"]]
    assert all(mail["Auto-Submitted"] == "auto-replied" and mail["From"].addresses[0].addr_spec == ADA for mail in mine)
    return [f"{mail['Subject']}\n{mail.get_content()}" for mail in mine]


def text_of(raw: bytes) -> str:
    """The plain text of a mail, on one line."""
    body = message_from_bytes(raw, policy=default).get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


def decided(scene: Scene, name: str = "c1") -> str:
    case = scene.work.journal.case(name)
    assert case is not None
    return f"{case.verdict} by {case.decided_by}"


def why(scene: Scene) -> list[str]:
    """What became of the commands."""
    return [e.why for e in scene.work.journal.entries(*State) if (e.judgement or {}).get("rule") == "command"]


UNTOUCHED = "needs-human by policy"
UNPROVED = "not obeyed: nothing proves that it is from you"
WRONG = "not obeyed: it has no token of mine for that"


def test_a_link_does_what_it_says_once_and_is_confirmed_once(scene: Scene) -> None:
    told(scene, to_myself(link(scene)))
    for minutes in (1, 60):
        scene.round_at(START + timedelta(minutes=minutes))

    assert decided(scene) == "decline by owner"
    assert [letter["To"] for letter in letters(scene)] == ["mia@elsewhere.example"]
    (said,) = confirmations(scene)
    assert said.startswith("Done: decline c1\ndecline c1: c1 is declined; the answer to mia@elsewhere.example")
    assert why(scene) == ["obeyed: decline c1"]
    (mail,) = scene.owner.folder_of("INBOX")
    assert KEYWORD.encode() in mail["flags"]


def test_a_confirmation_that_comes_back_into_the_mailbox_is_no_command(scene: Scene) -> None:
    told(scene, to_myself(link(scene)))
    told(scene, scene.owner.smtp.delivered[-1].raw.replace(b"Done: ", b"rsvpd: ", 1))

    assert len(confirmations(scene)) == 1
    assert why(scene) == ["obeyed: decline c1"]


def test_without_token_and_proof_nothing_happens_and_nobody_is_told(scene: Scene) -> None:
    wrong = [
        "rsvpd: decline c1 [aaaaaaaaaaaaaaaaaaaaaaaa]",
        link(scene, secret=b"another key, of 32 bytes or more."),
        link(scene, "accept").replace("accept", "decline"),
        link(scene, case="c2").replace("c2", "c1"),
    ]
    unproved = [
        None,
        "dkim=fail header.d=example.org",
        "dkim=pass header.d=evil.example",
        "spf=pass smtp.mailfrom=ada@example.org",
        "auth=pass smtp.auth=eve@example.org",
    ]

    told(scene, *map(to_myself, wrong), *(to_myself(link(scene), results=results) for results in unproved))
    scene.round_at(START + PATIENCE)

    assert decided(scene) == UNTOUCHED
    assert why(scene) == [WRONG] * len(wrong) + [UNPROVED] * len(unproved)
    assert scene.owner.smtp.delivered == []


def test_a_link_works_until_it_is_old_and_then_says_so(scene: Scene) -> None:
    subject = link(scene)
    told(scene, to_myself(subject), after=LASTS + timedelta(seconds=1))

    assert decided(scene) == UNTOUCHED
    (said,) = confirmations(scene)
    assert said.startswith("Not done: decline c1\nYour mail came too late")


def test_a_link_used_again_does_nothing_whatever_was_decided_meanwhile(scene: Scene) -> None:
    accept, decline = link(scene, "accept"), link(scene, "decline quietly")
    told(scene, to_myself(accept))
    told(scene, to_myself(decline))
    told(scene, to_myself(accept))

    assert decided(scene) == "decline by owner"
    assert len(confirmations(scene)) == 2
    assert why(scene)[-1] == "not obeyed: what it asks was asked before"


def test_two_that_obey_the_same_token_at_once_do_it_once(scene: Scene) -> None:
    scene.owner.deliver(*(to_myself(link(scene)) for _ in range(2)))
    work = scene.work
    session = work._connected()
    work._take_in(session)
    work._judge()
    assert len(work.journal.entries(State.ASKED)) == 2
    start, sessions = threading.Barrier(2), [session, work.connect()]

    def obey(one: Session) -> None:
        start.wait()
        work._orders.obey(one)

    threads = [threading.Thread(target=obey, args=(one,)) for one in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    sessions[1].close()
    scene.round_at(START)

    assert len(letters(scene)) == 1
    assert len(confirmations(scene)) == 1
    assert sorted(why(scene)) == ["not obeyed: what it asks was asked before", "obeyed: decline c1"]


def test_a_forwarded_command_and_an_automatic_one_do_nothing(scene: Scene) -> None:
    subject = link(scene)
    told(
        scene,
        to_myself(f"Fwd: {subject}", f"Look:\n\nSubject: {subject}\n"),
        to_myself("Fwd: hello", f"{subject}\n"),
        to_myself(subject, Auto_Submitted="auto-replied (vacation)"),
        to_myself(subject, From="Bob <bob@example.net>", results="dkim=pass header.d=example.net"),
    )
    scene.round_at(START + PATIENCE)

    assert decided(scene) == UNTOUCHED
    assert why(scene) == []
    assert scene.owner.smtp.delivered == []


# Whose it is


@pytest.mark.parametrize("results", ["auth=pass smtp.auth=ada@example.org smtp.mailfrom=ada@example.org", PASS])
def test_the_owners_own_mail_server_may_vouch_for_them(scene: Scene, results: str) -> None:
    told(scene, to_myself(link(scene), results=results))

    assert decided(scene) == "decline by owner"


def test_a_copy_in_the_sent_folder_proves_a_mail_that_never_left_the_server(scene: Scene) -> None:
    sent = to_myself(link(scene), results=None)
    told(scene, sent)
    before = decided(scene)
    with scene.owner.mailbox() as client:
        client.append("Sent", sent)
    scene.round_at(START + timedelta(minutes=1))

    assert before == UNTOUCHED
    assert decided(scene) == "decline by owner"


def test_a_server_without_a_sent_folder_has_no_such_proof_and_no_harm(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_there(_session: Session, use: str, _named: str | None = None) -> str:
        raise MailboxFailed(f"there is no {use}", permanent=True)

    scene.owner.deliver(to_myself(link(scene), results=None))
    scene.work._take_in(scene.work._connected())
    scene.work._judge()
    monkeypatch.setattr(Session, "special", none_there)
    scene.clock.now += PATIENCE
    scene.work._orders.obey(scene.work._connected())

    assert why(scene) == [UNPROVED]


def test_the_inbox_is_no_sent_folder(owner: Owner) -> None:
    with at_work(owner, more='[imap.folders]\nsent = "INBOX"\n') as scene:
        invited(scene)
        told(scene, to_myself(link(scene), results=None))
        scene.round_at(START + PATIENCE)

        assert why(scene) == [UNPROVED]


def test_a_strangers_guess_is_put_aside_at_once(scene: Scene) -> None:
    told(scene, to_myself(f"rsvpd: decline c1 [{token_hex(20)}]", results=None))

    assert why(scene) == [UNPROVED]


@pytest.mark.parametrize("differs", ["Message-ID", "Subject"])
def test_a_copy_of_another_mail_proves_nothing(scene: Scene, differs: str) -> None:
    other = to_myself(link(scene, "accept"), results=None, Message_ID="<other@mua.example>")
    mail_id = "<same@mua.example>" if differs == "Subject" else "<this@mua.example>"
    copy = other if differs == "Message-ID" else other.replace(b"<other@mua.example>", b"<same@mua.example>")
    subject = link(scene, "accept") if differs == "Message-ID" else link(scene)
    with scene.owner.mailbox() as client:
        client.append("Sent", copy)
    told(scene, to_myself(subject, results=None, Message_ID=mail_id))
    scene.round_at(START + PATIENCE)

    assert decided(scene) == UNTOUCHED
    assert why(scene) == [UNPROVED]


def test_a_mail_that_nothing_proves_is_told_of_in_the_summary(scene: Scene) -> None:
    told(scene, *(to_myself(link(scene), results=None) for _ in range(2)))
    scene.round_at(START + PATIENCE)

    scene.round_at(MONDAY)

    (summary,) = scene.owner.smtp.delivered
    assert "Commands by mail that were not obeyed: 2 (nothing proves that it is from you)." in text_of(summary.raw)


def test_five_wrong_tokens_lock_commands_by_mail_for_an_hour(scene: Scene) -> None:
    wrong = [to_myself(f"rsvpd: decline c1 [{token_hex(20)}]") for _ in range(5)]
    told(scene, *wrong)

    told(scene, to_myself(link(scene)), after=timedelta(minutes=59))
    locked = decided(scene), why(scene)[-1]
    told(scene, to_myself(link(scene)), after=timedelta(minutes=2))

    assert locked == (UNTOUCHED, "not obeyed: too many wrong tokens came within an hour")
    assert decided(scene) == "decline by owner"


def test_mails_that_are_not_the_owners_lock_nobody_out(scene: Scene) -> None:
    wrong = [to_myself(f"rsvpd: decline c1 [{token_hex(20)}]", results=None) for _ in range(6)]
    told(scene, *wrong)

    told(scene, to_myself(link(scene)))

    assert decided(scene) == "decline by owner"


# All or nothing


@pytest.mark.parametrize("table", ["entries", "confirmations", "cases"])
def test_leave_and_deed_are_one_whatever_breaks_between_them(scene: Scene, table: str) -> None:
    journal, event = scene.work.journal, "UPDATE" if table in ("entries", "cases") else "INSERT"
    command = to_myself(link(scene))
    scene.owner.deliver(command)
    scene.work._take_in(scene.work._connected())
    scene.work._judge()
    with journal.store.write() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER full BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    with pytest.raises(JournalFailed, match="full"):
        scene.work._orders.obey(scene.work._connected())
    with journal.store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
        spent = connection.execute(select(nonces)).all()
    between = decided(scene), spent, len(journal.entries(State.ASKED))

    scene.round_at(START)
    told(scene, command.replace(b"Message-ID: <", b"Message-ID: <again."))

    assert between == (UNTOUCHED, [], 1)
    assert len(letters(scene)) == len(confirmations(scene)) == 1


@pytest.mark.parametrize(("fate", "mails"), [("lost", 1), ("dropped", 0)])
def test_a_confirmation_cut_off_after_the_dot_is_not_repeated(scene: Scene, fate: str, mails: int) -> None:
    scene.owner.smtp.faults["dot"] = fate
    told(scene, to_myself(link(scene, "accept")))
    for minutes in (1, 2):
        scene.round_at(START + timedelta(minutes=minutes))

    assert len(confirmations(scene)) == mails


def test_a_confirmation_that_the_server_refused_for_now_comes_later(scene: Scene) -> None:
    scene.owner.smtp.faults["mail"] = "451 4.3.0 later"
    told(scene, to_myself(link(scene, "accept")))
    scene.round_at(START + timedelta(minutes=1))

    assert len(confirmations(scene)) == 1


def test_a_confirmation_is_not_lost_with_a_password_that_was_changed(scene: Scene) -> None:
    scene.owner.smtp.faults["auth"] = "535 5.7.8 authentication failed"
    told(scene, to_myself(link(scene, "accept")))
    scene.round_at(START + timedelta(minutes=10))

    assert len(confirmations(scene)) == 1


def test_what_a_crash_left_of_a_confirmation_is_put_right(scene: Scene) -> None:
    journal = scene.work.journal
    scene.owner.deliver(to_myself(link(scene, "accept")))
    scene.work._take_in(scene.work._connected())
    scene.work._judge()
    scene.work._orders.obey(scene.work._connected())
    ((entry_id, _, _),) = journal.orders.unconfirmed()
    journal.orders.claim(entry_id)  # and then the power fails

    journal.recover(START)
    scene.round_at(START)

    assert len(confirmations(scene)) == 1


def test_a_power_cut_after_the_dot_of_a_confirmation_repeats_nothing(scene: Scene) -> None:
    def cut(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        before_dot()
        raise RuntimeError("the power fails")

    scene.work.post, usual = cut, scene.work.post
    with pytest.raises(RuntimeError):
        told(scene, to_myself(link(scene, "accept")))
    scene.work.post = usual

    scene.round_at(START)

    assert confirmations(scene) == []


def test_two_that_confirm_at_once_say_it_once(scene: Scene) -> None:
    invited(scene, "Max Meeting", "max@elsewhere.example")
    usual = scene.work.post

    def interrupted(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        scene.work.post = usual
        scene.work._orders.confirm()  # by somebody else, while this one is being sent
        return usual(message, recipient=recipient, before_dot=before_dot)

    scene.work.post = interrupted
    told(scene, to_myself(link(scene, "accept")), to_myself(link(scene, "accept", "c2")))

    assert len(confirmations(scene)) == 2


# Deeds


def test_a_quiet_no_takes_back_the_answer_that_waits(owner: Owner) -> None:
    with at_work(owner, hold="1h") as scene:
        scene.owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))
        scene.round_at(START)
        told(scene, to_myself(link(scene, "decline quietly")))
        scene.round_at(START + timedelta(hours=2))

        assert decided(scene) == "decline by owner"
        assert letters(scene) == []
        assert "c1 is declined quietly; nothing will be sent." in confirmations(scene)[0]


def test_asking_why_sends_the_question_once(scene: Scene) -> None:
    told(scene, to_myself(link(scene, "ask why")))
    told(scene, to_myself(link(scene)))

    (letter,) = letters(scene)
    assert "what made you\r\nthink of me?" in letter.get_payload()
    first, second = confirmations(scene)
    assert "c1 is asked for a reason; the answer to mia@elsewhere.example goes out" in first
    assert "c1 was answered already; nothing more is sent." in second


def test_a_case_that_is_not_there_is_said_to_be_none(scene: Scene) -> None:
    told(scene, to_myself(link(scene, case="c9")))

    assert "decline c9: there is no case c9." in confirmations(scene)[0]


def test_in_observe_mode_the_mail_is_not_even_marked(owner: Owner) -> None:
    with at_work(owner, mode="observe") as scene:
        invited(scene)
        told(scene, to_myself(link(scene, "accept")))

        assert decided(scene) == "accept-candidate by owner"
        assert all(KEYWORD.encode() not in item["flags"] for item in scene.owner.folder_of("INBOX"))


def test_the_confirmation_goes_where_the_summary_goes_and_nowhere_else(owner: Owner) -> None:
    with at_work(owner, more='[digest]\nto = "home@example.org"\n') as scene:
        invited(scene)
        told(scene, to_myself(link(scene, "accept"), Reply_To="eve@example.net", From=f"Eve <{ADA}>"))

        assert [sent.recipients for sent in scene.owner.smtp.delivered] == [("home@example.org",)]


# Answering the summary


def summed_up(scene: Scene) -> str:
    """The Message-ID of the summary of last week, sent now."""
    scene.round_at(MONDAY)
    summary = message_from_bytes(scene.owner.smtp.delivered[-1].raw)
    assert summary["X-Rsvpd-Week"]
    return str(summary["Message-ID"])


def test_an_answer_to_the_summary_is_obeyed_line_by_line(scene: Scene) -> None:
    invited(scene, "Max Meeting", "max@elsewhere.example")
    invited(scene, "Moe Meeting", "moe@elsewhere.example")
    summary = summed_up(scene)

    told(scene, to_myself("Re: x", "Ablehnen c1\naccept c2\n\nOn Monday Ada wrote:\n> decline c3\n", answers=summary))

    assert [decided(scene, name) for name in ("c1", "c2", "c3")] == [
        "decline by owner",
        "accept-candidate by owner",
        UNTOUCHED,
    ]
    (said,) = confirmations(scene)
    assert said.startswith("Done: 2 commands\n")
    assert [letter["To"] for letter in letters(scene)] == ["mia@elsewhere.example"]


def test_the_same_answer_again_is_told_to_be_old_and_does_nothing(scene: Scene) -> None:
    summary = summed_up(scene)
    for text in ("accept c1\n", "decline quietly c1\n", "accept c1\nnever c1?\n"):
        told(scene, to_myself("Re: x", text, answers=summary))

    assert decided(scene) == "decline by owner"
    *_, last = confirmations(scene)
    assert "accept c1: was asked before in answer to this summary" in last
    assert "Not understood, and nothing below it was read: never c1?" in last


def test_an_answer_that_was_perhaps_meant_is_told_so(scene: Scene) -> None:
    summary = summed_up(scene)
    told(scene, to_myself("Re: x", "What about c1?\n", answers=summary))

    assert decided(scene) == UNTOUCHED
    assert why(scene) == ["no line in it was a command"]
    (said,) = confirmations(scene)
    assert said.startswith("Not done: nothing in your mail was a new command\nNot understood")


@pytest.mark.parametrize("forged", ["0" * 32, "f" * 32])
def test_an_answer_to_another_mail_than_a_summary_does_nothing(scene: Scene, forged: str) -> None:
    summed_up(scene)
    told(scene, to_myself("Re: x", "decline c1\n", answers=f"<rsvpd.{forged}@example.org>"))

    assert decided(scene) == UNTOUCHED
    assert why(scene) == [WRONG]
    assert confirmations(scene) == []


def test_an_answer_to_an_old_summary_does_nothing_and_says_so(scene: Scene) -> None:
    summary = summed_up(scene)
    told(scene, to_myself("Re: x", "decline c1\n", answers=summary), after=LASTS + timedelta(minutes=1))

    assert decided(scene) == UNTOUCHED
    assert "came too late" in confirmations(scene)[0]


def test_the_summary_says_how_to_answer_it_and_what_it_suggests(scene: Scene) -> None:
    for name in ("Nina Newcomer", "Otto Other", "Paul Press"):
        scene.owner.deliver(at_harbour(name))
    scene.round_at(START)
    told(scene, *(to_myself(link(scene, "accept", case)) for case in ("c2", "c3", "c4")))

    scene.round_at(MONDAY)

    raw = scene.owner.smtp.delivered[-1].raw
    text, page = text_of(raw), message_from_bytes(raw, policy=default).get_body(("html",))
    assert 'To decide, answer this mail with lines like: "accept c1", "decline c1"' in " ".join(text.split())
    assert "What you decided yourself suggests rows for your policy (1)" in text
    assert page is not None
    hrefs = re.findall(r'href="(mailto:[^"]*)"', page.get_content())
    assert len(hrefs) == 6 + 3 * 7  # Mia names no company, and the others are accepted already
    subjects = [parse_qs(urlsplit(unescape(href)).query)["subject"][0] for href in hrefs]
    told(scene, to_myself(next(subject for subject in subjects if subject.startswith("rsvpd: decline c1 "))))
    assert decided(scene) == "decline by owner"


def test_a_summary_that_was_asked_for_can_be_answered(scene: Scene) -> None:
    assert scene.work.config.path is not None
    sent = CliRunner().invoke(main, ["digest", "--send", str(scene.work.config.path)])
    assert sent.exit_code == 0, sent.output
    summary = message_from_bytes(scene.owner.smtp.delivered[-1].raw)["Message-ID"]
    scene.clock.now = datetime.now(UTC)

    told(scene, to_myself("Re: x", "accept c1\n", answers=summary))

    assert decided(scene) == "accept-candidate by owner"


# Standing words


def at_harbour(name: str, place: str = "Harbour University") -> bytes:
    return linkedin(name, headline=f"Professor at {place}")


def test_a_word_about_a_company_holds_from_now_on_and_is_taken_back(scene: Scene) -> None:
    scene.owner.deliver(at_harbour("Nina Newcomer"))
    scene.round_at(START)
    told(scene, to_myself(link(scene, "always this company", "c2")))
    told(scene, at_harbour("Otto Other", "Universität Harbour"), at_harbour("Paul Press", "Harbour Press"))
    always = decided(scene, "c3"), decided(scene, "c4")
    (entry,) = scene.work.journal.of_case(scene.work.journal.case("c3"))  # type: ignore[arg-type]
    told(scene, to_myself(link(scene, "never this company", "c3")))
    told(scene, at_harbour("Quin Quiet"))
    never = decided(scene, "c5")
    (quiet,) = scene.work.journal.of_case(scene.work.journal.case("c5"))  # type: ignore[arg-type]
    told(scene, linkedin("Mia Meeting"))
    assert CliRunner().invoke(main, ["neither", "--config", str(scene.work.config.path), "c5"]).exit_code == 0
    told(scene, at_harbour("Rosa Rest"))

    assert always == ("accept-candidate by policy", "decline by policy")
    assert entry.judgement is not None
    assert entry.judgement["because"][0] == "you said 'always' for Harbour University on 2026-11-18 (c2)"
    assert never == "decline by policy"
    assert quiet.judgement is not None
    assert quiet.judgement["reply"] is None
    assert scene.work.journal.standing.all() == ()
    (rest,) = scene.work.journal.of_case(scene.work.journal.case("c7"))  # type: ignore[arg-type]
    assert rest.judgement is not None
    assert rest.judgement["rule"] == "everybody-else"


def test_a_word_moves_what_still_waits(scene: Scene) -> None:
    scene.owner.deliver(at_harbour("Nina Newcomer"), at_harbour("Otto Other"))
    scene.round_at(START)
    before = decided(scene, "c3")
    told(scene, to_myself(link(scene, "always this company", "c2")))

    assert before == "decline by policy"
    assert decided(scene, "c3") == "accept-candidate by policy"
    moved = scene.work.journal.chronicle.moved(START, START + timedelta(days=1))
    assert moved == [("c3", "decline -> accept-candidate (rule standing-word)")]


def test_a_word_about_a_person_speaks_of_nobody_else(owner: Owner) -> None:
    with at_work(owner) as scene:
        scene.owner.deliver(linkedin("Nina Newcomer"))
        scene.round_at(START)
        told(scene, to_myself(link(scene, "always this person")))
        told(scene, linkedin("Nina Newcomer"), linkedin("Nina Newcomer", slug="another"))

        assert decided(scene, "c2") == "accept-candidate by policy"
        assert decided(scene, "c3") == "decline by policy"


def test_forgetting_a_person_forgets_what_was_said_of_them(scene: Scene) -> None:
    told(scene, to_myself(link(scene, "never this person")))
    before = scene.work.journal.standing.all()

    result = CliRunner().invoke(main, ["forget", "--config", str(scene.work.config.path), "Mia Meeting"])

    assert result.exit_code == 0
    assert [word.name for word in before] == ["Mia Meeting"]
    assert scene.work.journal.standing.all() == ()
    with scene.work.journal.store.read() as connection:
        rows = [row for table in metadata.sorted_tables for row in connection.execute(select(table))]
    assert [row for row in rows if "mia" in str(row).lower()] == []
    scene.work.journal.verify()


def test_what_was_said_can_be_read_and_counts_when_a_mail_is_explained(
    scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = str(scene.work.config.path)
    scene.owner.deliver(at_harbour("Nina Newcomer"))
    scene.round_at(START)
    file = tmp_path_factory.mktemp("mail") / "mail.eml"
    file.write_bytes(at_harbour("Otto Other"))

    said = CliRunner().invoke(main, ["always", "--company", "--config", config, "c2"])
    policy = CliRunner().invoke(main, ["check", "--policy", config])
    explained = CliRunner().invoke(main, ["explain", "--config", config, str(file)])

    assert said.output.startswith("From now on always: Harbour University. c2 is noted as accepted")
    assert "- always Harbour University (company; c2, " in policy.output
    assert "you said 'always' for Harbour University" in explained.output


def test_where_there_is_no_journal_none_is_made(owner: Owner, tmp_path_factory: pytest.TempPathFactory) -> None:
    config = owner.config()

    result = CliRunner().invoke(main, ["check", "--policy", str(config.path)])

    assert result.exit_code == 0
    assert not (owner.folder / "state").exists()


def test_a_case_without_a_company_has_none_to_speak_of(scene: Scene) -> None:
    told(scene, to_myself(link(scene, "never this company")))

    assert decided(scene) == UNTOUCHED
    assert "c1 does not tell the company; nothing is noted." in confirmations(scene)[0]


# With the service


def test_the_running_service_obeys_a_link(owner: Owner) -> None:
    config = owner.config()
    owner.deliver(old_linkedin("Mia Meeting", "mia@elsewhere.example", note=MET))
    with serving(config) as service:
        wait_for(settled(config, 1), "the judgement")
        work = service.watches[0].round
        owner.deliver(to_myself(link(Scene(owner, work, Clock(datetime.now(UTC))))))
        wait_for(lambda: len(owner.smtp.delivered) == 2, "the answer and the confirmation")

    assert sorted(sent.recipients[0] for sent in owner.smtp.delivered) == [ADA, "mia@elsewhere.example"]
    assert [(str(case.verdict), case.decided_by) for case in work.journal.cases()] == [("decline", "owner")]
