"""`rsvpd check`: what it looks at beyond the file, and the mail to oneself that proves whose word counts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dns.message
import pytest
import time_machine
from dns.rcode import NXDOMAIN

from gateway.check import checks
from gateway.check.finding import Finding, Outcome
from gateway.check.host import clock, host, space
from gateway.check.probe import probe, verdict
from gateway.check.records import age
from gateway.config import Config, load
from gateway.mail import parse
from gateway.owner import people_of
from gateway.state import folder_of, open_journal
from tests.notifications import MX, ordinary
from tests.servers import Dovecot, running
from tests.submission import Delivered
from tests.test_dns import name_server, says
from tests.test_story import Owner, owner_at

GOOD, NOTE, FAULT = Outcome.GOOD, Outcome.REMARK, Outcome.FAULT
NO_WAIT = timedelta(0)
DATE = "Mon, 23 Nov 2026 08:00:00 +0000"
PLAIN = (
    b"From: Bea <bea@example.net>\r\nTo: ada@example.org\r\nSubject: Plain\r\n"
    b"Message-ID: <plain@example.net>\r\n\r\nHello\r\n"
)
QUOTA = """
mail_plugins = $mail_plugins quota
protocol imap {
  mail_plugins = $mail_plugins imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=2M
}
"""


@pytest.fixture
def owner(dovecot: Dovecot, smtp_server: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return owner_at(dovecot, smtp_server, tmp_path)  # type: ignore[arg-type]


def of(what: str, findings: list[Finding]) -> list[tuple[Outcome, str]]:
    return [(found.outcome, found.found) for found in findings if found.what == what]


def worse_than_good(findings: list[Finding]) -> list[Finding]:
    # Nothing keeps the clock of many a test machine right, and many a Python lacks mends.
    return [found for found in findings if found.outcome is not GOOD and found.what not in ("clock", "python")]


def taken_in(raw: bytes, host: str, *, word: bool = True) -> bytes:
    """A mail as a mail server takes it in from elsewhere, with or without its word on it."""
    line = f"Authentication-Results: {host}; spf=pass smtp.mailfrom=example.net\r\n" if word else ""
    received = f"Received: from out.example.net (out.example.net [192.0.2.9]) by {host} with ESMTPS id 1; {DATE}\r\n"
    return (line + received).encode() + raw


# The machine and the records


def test_a_password_that_others_can_read_is_a_fault(owner: Owner, tmp_path: Path) -> None:
    config = owner.config()
    (tmp_path / "imap-password").chmod(0o604)

    findings = list(checks(config))

    told = f"{tmp_path}/imap-password can be read or changed by others (mode 604); chmod 600 it"
    assert of("secret", findings) == [(FAULT, told)]


@pytest.mark.parametrize("name", ["imap-password", "google-client-secret"])
def test_a_secret_that_is_not_there_is_told_before_anybody_is_asked(name: str, tmp_path: Path) -> None:
    (tmp_path / "ada.toml").write_text(
        '[imap]\nhost = "imap.gmail.com"\nuser = "ada@gmail.com"\noauth = "google"\n'
        'oauth_client = { id = "1", secret = { file = "google-client-secret" } }\n'
        '[smtp]\nhost = "smtp.example.org"\nuser = "ada"\npassword = { file = "imap-password" }\n'
    )

    findings = of("secret", list(host(load(tmp_path / "ada.toml"))))

    why = "cannot be read (No such file or directory); put there what it is to hold, and chmod 600 it"
    assert (FAULT, f"{tmp_path}/{name} {why}") in findings


def test_a_state_folder_that_others_can_read_is_a_fault(owner: Owner) -> None:
    folder = folder_of(owner.config())
    folder.mkdir(parents=True)
    folder.chmod(0o755)

    findings = list(checks(owner.config()))

    assert of("state", findings)[0] == (FAULT, f"{folder} others may read it (mode 755); chmod 700 it")


@pytest.mark.parametrize(
    ("url", "holds"), [("", "the journal"), ('[journal]\nurl = "postgresql:///rsvpd"\n', "the lock")]
)
def test_a_state_folder_that_is_not_there_yet_is_told_with_what_it_will_hold(
    url: str, holds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "ada.toml").write_text(url)

    ((outcome, told),) = of("state", list(host(load(tmp_path / "ada.toml"))))

    assert (outcome, told) == (GOOD, f"{tmp_path}/state/ada is made at the first start, for {holds}")


@pytest.mark.parametrize(("megabytes", "outcome"), [(49, FAULT), (51, NOTE), (499, NOTE), (501, GOOD)])
def test_little_space_is_told_before_it_is_too_little(megabytes: int, outcome: Outcome) -> None:
    assert space(megabytes * 1024 * 1024, Path("/state")).outcome is outcome


@pytest.mark.parametrize(("kept_right", "outcomes"), [(True, [GOOD]), (False, [NOTE]), (None, [])])
def test_a_clock_that_nothing_keeps_right_is_told(kept_right: bool | None, outcomes: list[Outcome]) -> None:
    assert [found.outcome for found in clock(lambda: kept_right)] == outcomes


def test_each_source_says_how_many_it_tells_of_and_how_old_that_is(owner: Owner, tmp_path: Path) -> None:
    old = (datetime.now(UTC) - timedelta(days=400)).timestamp()
    os.utime(tmp_path / "contacts.vcf", (old, old))

    ((outcome, told),) = of("records", list(checks(owner.config())))

    assert outcome is NOTE
    assert re.match(r"contacts.vcf: \d+ people, 400 days old; export it anew", told)


def test_what_the_service_read_in_the_mailbox_is_told_with_its_age(owner: Owner) -> None:
    config = owner.config()
    index = people_of(open_journal(config))
    now = datetime.now(UTC)
    index.replace("INBOX", [], "1:1", now - timedelta(hours=2, minutes=10))
    index.replace("Sent", [], "1:1", now - timedelta(days=3))

    findings = of("records", list(checks(config)))

    assert findings[1:] == [
        (GOOD, "INBOX: 0 people, read by the service 2 hours ago"),
        (NOTE, "Sent: 0 people, read by the service 3 days ago; does it run?"),
    ]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(days=1), "1 day"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(span: timedelta, words: str) -> None:
    assert age(span) == words


@pytest.mark.parametrize(("answers", "outcome"), [(True, GOOD), (False, FAULT)])
def test_checking_signatures_here_needs_a_name_server(
    answers: bool, outcome: Outcome, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = owner.config()
    authentication = config.authentication.model_copy(update={"dkim": "verify"})
    alone = config.model_copy(update={"authentication": authentication, "imap": None, "smtp": None})
    monkeypatch.setattr("gateway.dns._LIFETIME", 0.2)

    with name_server(says(code=NXDOMAIN) if answers else lambda _: None, monkeypatch):
        findings = list(checks(alone))

    assert [outcome for outcome, _ in of("dns", findings)] == [outcome]


def test_no_network_hears_of_the_check(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    config = owner.config()
    authentication = config.authentication.model_copy(update={"dkim": "verify"})
    asked = []

    def remember(question: dns.message.Message) -> dns.message.Message | None:
        asked.append(question.question[0].name.to_text())
        return says(code=NXDOMAIN)(question)

    with name_server(remember, monkeypatch):
        list(checks(config.model_copy(update={"authentication": authentication})))

    assert asked == ["default._domainkey.example.org."]


# The mailbox


def findings_at(owner: Owner, raw: bytes, **kind: Any) -> list[str]:
    """What is not good about a mailbox with one mail on a Dovecot of another kind."""
    config = owner.config()
    assert config.imap
    with TemporaryDirectory(prefix="rsvpd-dovecot-") as folder, running(Dovecot(Path(folder), **kind)) as other:
        login = other.user()
        (owner.folder / "imap-password").write_text(login.password)
        other.deliver(login, raw)
        there = {"port": other.imaps_port, "user": login.user, "ca_file": other.certificate.chain}
        findings = list(checks(config.model_copy(update={"imap": config.imap.model_copy(update=there)})))
    return [found.found for found in worse_than_good(findings)]


def test_what_a_plain_server_lacks_is_told_with_what_follows(owner: Owner) -> None:
    assert findings_at(owner, ordinary(), without=("IDLE", "MOVE", "UIDPLUS")) == [
        "the server does not tell of new mail (no IDLE): looked for every 5 minutes",
        "mails that are moved stay behind, marked as deleted (neither MOVE nor UIDPLUS)",
    ]


def test_a_mailbox_that_is_almost_full_is_told(owner: Owner) -> None:
    filling = ordinary() + (b"x" * 900 + b"\r\n") * 2162

    assert findings_at(owner, filling, extra=QUOTA) == ["1 of 2 MB used; a full mailbox takes no drafts"]


def test_a_mail_from_the_future_shows_that_the_clock_is_slow(owner: Owner) -> None:
    owner.deliver(ordinary())

    with time_machine.travel(datetime.now(UTC) - timedelta(minutes=20)):
        findings = list(checks(owner.config()))

    assert [found for found in of("clock", findings) if "still to come here; set the clock" in found[1]]


def test_the_server_that_vouches_for_the_mails_of_late_is_named(owner: Owner) -> None:
    owner.deliver(*[taken_in(ordinary(), MX)] * 2, taken_in(ordinary(), MX, word=False))

    findings = list(checks(owner.config()))

    assert of("authentication", findings)[-1] == (GOOD, f"{MX} vouches for 2 of the last 3 mails")
    assert worse_than_good(findings) == []


def test_a_wrong_name_is_told_with_the_line_to_write(owner: Owner) -> None:
    owner.deliver(*[taken_in(PLAIN, "mx.other.example")] * 3)

    findings = of("authentication", list(checks(owner.config())))

    told = f"mx.other.example vouches for 3 of the last 3 mails, {MX} for none"
    assert findings[-1] == (FAULT, f'{told}; under [authentication] write authserv_id = ["mx.other.example"]')


def test_what_a_few_strangers_make_up_is_not_suggested(owner: Owner) -> None:
    made_up = taken_in(taken_in(PLAIN, "mx.evil.example"), "in.example.org", word=False)
    owner.deliver(*[taken_in(PLAIN, "mx.evil.example")] * 2, *[made_up] * 3)

    findings = of("authentication", list(checks(owner.config())))

    assert findings[-1][0] is NOTE
    assert "nobody vouches for most of the last 5 mails" in findings[-1][1]


# The mail to oneself


def run_probe(config: Config, patience: timedelta = timedelta(seconds=30)) -> list[Finding]:
    return list(probe(config, lambda _: None, patience))


def on_its_way(owner: Owner, made: Callable[[bytes], bytes]) -> None:
    """What the mail servers between the owner's outgoing and incoming mail make of a mail."""

    def forward(mail: Delivered) -> None:
        owner.deliver(made(mail.raw))

    owner.smtp.forward = forward


def without_forged_lines(raw: bytes) -> bytes:
    return re.sub(rb"^Authentication-Results:.*\r\n([ \t].*\r\n)*", b"", raw, flags=re.MULTILINE)


def test_a_server_that_removes_forged_lines_and_vouches_is_proved(owner: Owner) -> None:
    owner.deliver(ordinary())
    on_its_way(owner, lambda raw: taken_in(without_forged_lines(raw), MX))

    findings = run_probe(owner.config())

    (sent,) = owner.smtp.delivered
    assert sent.recipients == ("ada@example.org",)
    assert re.search(rf"Authentication-Results: {MX}; dkim=pass header.d=\w+.invalid".encode(), sent.raw)
    assert of("probe", findings) == [
        (GOOD, f"the forged line of {MX} was removed on the way"),
        (GOOD, f"{MX} vouches for it"),
        (GOOD, "arrived, and was removed"),
        (GOOD, "no copy is in Sent: rsvpd puts one there"),
    ]
    assert of("clock", findings) == [(GOOD, "agrees with the mail server's")]
    assert [mail["subject"] for mail in owner.folder_of("INBOX")] == ["Lunch?"]


def test_a_forged_line_that_would_be_believed_is_a_fault(owner: Owner) -> None:
    # The word is added below the lines that are there already, so that one from outside stands where its own do.
    def careless(raw: bytes) -> bytes:
        forged = re.search(rb"^Authentication-Results:.*\r\n([ \t].*\r\n)*", raw, flags=re.MULTILINE)
        assert forged
        return forged[0] + taken_in(without_forged_lines(raw), MX)

    on_its_way(owner, careless)

    findings = of("probe", run_probe(owner.config()))

    assert findings[0][0] is FAULT
    assert 'write dkim = "verify" under [authentication]' in findings[0][1]


def test_a_forged_line_below_the_border_is_no_fault() -> None:
    forged = f"Authentication-Results: {MX}; dkim=pass header.d=0123.invalid\r\n".encode()

    findings = list(verdict(parse(taken_in(forged + PLAIN, MX)), (MX,), "0123"))

    assert [found.outcome for found in findings] == [GOOD, GOOD]
    assert "it is not believed" in findings[0].found


@pytest.mark.parametrize(("configured", "outcome"), [((), NOTE), (("mx.wrong.example",), FAULT)])
def test_who_really_vouches_is_told_with_the_line_to_write(configured: tuple[str, ...], outcome: Outcome) -> None:
    *_, found = verdict(parse(taken_in(PLAIN, "mx.real.example")), configured, "0123")

    assert found.outcome is outcome
    assert 'authserv_id = ["mx.real.example"]' in found.found


def test_a_mail_that_took_an_inner_way_proves_nothing(owner: Owner) -> None:
    on_its_way(owner, without_forged_lines)

    findings = of("probe", run_probe(owner.config()))

    assert findings[1][0] is NOTE
    assert "nobody vouches for a mail that you send to yourself" in findings[1][1]


def test_a_probe_that_does_not_arrive_is_not_waited_for_without_end(owner: Owner) -> None:
    findings = run_probe(owner.config(), NO_WAIT)

    assert of("probe", findings) == [(FAULT, "did not reach INBOX within 0 minutes; look for it in Spam")]


def test_a_refused_probe_says_why(owner: Owner) -> None:
    owner.smtp.faults["mail"] = "550 5.7.1 not you"

    ((outcome, told),) = of("probe", run_probe(owner.config()))

    assert outcome is FAULT
    assert "not you" in told


def test_a_clock_that_differs_from_the_servers_is_a_fault(owner: Owner) -> None:
    on_its_way(owner, lambda raw: taken_in(without_forged_lines(raw), MX))

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=20)):
        findings = run_probe(owner.config())

    ((outcome, told),) = of("clock", findings)
    assert outcome is FAULT
    assert re.match(r"this machine's is (19|20) minutes ahead of the mail server's; set it", told)


def test_a_copy_that_the_provider_keeps_is_noticed_and_taken_away(owner: Owner) -> None:
    def keep(mail: Delivered) -> None:
        with owner.mailbox() as client:
            client.append("Sent", mail.raw)
        owner.deliver(taken_in(without_forged_lines(mail.raw), MX))

    owner.smtp.forward = keep

    findings = of("probe", run_probe(owner.config()))

    assert findings[-1] == (NOTE, "your provider puts a copy into Sent; under [smtp] write keeps_copy = true")
    assert owner.folder_of("Sent") == []


def test_nothing_but_the_probe_is_taken_away(owner: Owner) -> None:
    # A mail that quotes the Message-ID is found by a search for it, too.
    def quoting(raw: bytes) -> bytes:
        message_id = re.search(rb"^Message-ID: (<.*>)\r\n", raw, flags=re.MULTILINE)
        assert message_id
        owner.deliver(PLAIN.replace(b"<plain@example.net>", b"<plain@example.net> (" + message_id[1] + b")"))
        return taken_in(without_forged_lines(raw), MX)

    on_its_way(owner, quoting)
    with owner.mailbox() as client:
        client.append("INBOX", ordinary("Marked by somebody"), [b"\\Deleted"])

    run_probe(owner.config())

    assert [mail["subject"] for mail in owner.folder_of("INBOX")] == ["Marked by somebody", "Plain"]


def test_where_there_is_a_trash_the_probe_lies_there(owner: Owner) -> None:
    on_its_way(owner, lambda raw: taken_in(without_forged_lines(raw), MX))
    with owner.mailbox() as client:
        client.create_folder("Trash")

    findings = of("probe", run_probe(owner.config()))

    assert (GOOD, "arrived, and was moved to Trash") in findings
    assert len(owner.folder_of("Trash")) == 1
