"""A mail to oneself that proves whose Authentication-Results can be believed, and tells what else a round trip shows.

It carries a line that anybody could have written in the name of the owner's mail server. What arrives shows whether
that line would be believed, who really vouches for mail, what time the server has, and whether a copy is kept in Sent.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from gateway.check.finding import Finding, fault, good, remark
from gateway.check.mailbox import CLOCK_MAY_DIFFER, NOBODY_VOUCHES, setting
from gateway.config import Config
from gateway.errors import MailboxFailed, SendFailed, SendUncertain
from gateway.imap import Session
from gateway.mail import LARGEST, parse
from gateway.model import Mail
from gateway.owner import connect_of, post_of
from gateway.provenance import believable, believed

PATIENCE = timedelta(minutes=2)
_PAUSE = 1.0  # seconds between two looks
_TELL_EVERY = 15.0  # seconds
_TEXT = "A mail of `rsvpd check --probe` to yourself. It is taken away as soon as it has arrived; if not, delete it.\n"


@dataclass(frozen=True, slots=True)
class _Probe:
    """What was sent, and when."""

    token: str
    message_id: str
    authserv_id: tuple[str, ...]
    sent: datetime


@dataclass(frozen=True, slots=True)
class _Arrival:
    """What arrived, when by the server's clock, and when it was seen by ours."""

    uid: int
    mail: Mail
    arrived: datetime
    seen: datetime


def probe(config: Config, tell: Callable[[str], None], patience: timedelta = PATIENCE) -> Iterator[Finding]:
    """Send the mail, wait for it, say what it shows, and take it away again; `tell` hears how the waiting goes."""
    if config.imap is None or config.smtp is None or not config.me.addresses:
        yield fault("probe", "needs [imap], [smtp] and [me] addresses: it is a mail to yourself")
        return
    try:
        with closing(connect_of(config)()) as session:
            sent = _send(config)
            tell(f"A mail to {config.me.addresses[0]} is on its way; waiting {_minutes(patience)} at most ...")
            found = _wait(session, config.folders.inbox, sent, tell, patience)
            if found is None:
                inbox = config.folders.inbox
                yield fault("probe", f"did not reach {inbox} within {_minutes(patience)}; look for it in Spam")
                return
            yield from verdict(found.mail, sent.authserv_id, sent.token)
            yield _clock(sent.sent, found)
            yield good("probe", f"arrived, and was {session.discard(found.uid)}")
            yield from _copy(config, session, sent)
    except (MailboxFailed, SendFailed) as exc:
        yield fault("probe", str(exc))


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:g} minutes"


def _send(config: Config) -> _Probe:
    address = config.me.addresses[0]
    token = secrets.token_hex(8)
    now = datetime.now(UTC).replace(microsecond=0)
    sent = _Probe(token, f"<probe.{token}@{address.rpartition('@')[2]}>", config.authentication.authserv_id, now)
    with suppress(SendUncertain):  # it shows soon enough whether it was taken
        post_of(config)(_letter(config, sent), recipient=address, before_dot=lambda: None)
    return sent


def _letter(config: Config, probe: _Probe) -> bytes:
    address = Address(config.me.name, addr_spec=config.me.addresses[0])
    message = EmailMessage(policy=SMTP.clone(max_line_length=200))  # a forged line is to look like a real one
    for name in probe.authserv_id:
        message["Authentication-Results"] = f"{name}; dkim=pass header.d={probe.token}.invalid"
    message["From"] = message["To"] = address
    message["Subject"] = f"rsvpd probe {probe.token}"
    message["Date"] = format_datetime(probe.sent)
    message["Message-ID"] = probe.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_TEXT, cte="7bit")
    return message.as_bytes()


def _wait(
    session: Session, folder: str, probe: _Probe, tell: Callable[[str], None], patience: timedelta
) -> _Arrival | None:
    began = told = time.monotonic()
    while True:
        if found := _find(session, folder, probe):
            uid, mail = found
            return _Arrival(uid, mail, session.arrived([uid])[uid], datetime.now(UTC))
        now = time.monotonic()
        if now - began >= patience.total_seconds():
            return None
        if now - told >= _TELL_EVERY:
            told = now
            tell(f"... not there yet ({now - began:.0f} seconds)")
        time.sleep(_PAUSE)


def _find(session: Session, folder: str, probe: _Probe) -> tuple[int, Mail] | None:
    """The probe itself: SEARCH finds whatever holds the text, and what is found here is taken away."""
    for fetched in session.fetch(session.find_message_id(folder, probe.message_id), largest=LARGEST):
        mail = parse(fetched.raw)
        if mail.message_id == probe.message_id and probe.token in mail.subject:
            return fetched.uid, mail
    return None


def verdict(mail: Mail, authserv_id: tuple[str, ...], token: str) -> Iterator[Finding]:
    """What a probe that arrived shows of the owner's mail server; the forged lines are those that hold the token."""
    survived = any(token in line for line in mail.header("Authentication-Results"))
    if any(token in line for line in believed(mail, authserv_id)):
        why = "a line that anybody can write in the name of your mail server is left there and would be believed"
        yield fault("probe", f'{why}; write dkim = "verify" under [authentication]')
    elif survived:
        yield good("probe", "the forged line stayed, but below the line that counts: it is not believed")
    elif authserv_id:
        yield good("probe", f"the forged line of {', '.join(authserv_id)} was removed on the way")
    real = [name for name in believable(mail) if not any(token in line for line in believed(mail, (name,)))]
    yield _who_vouches(real, authserv_id)


def _who_vouches(real: list[str], authserv_id: tuple[str, ...]) -> Finding:
    if not real:
        why = "nobody vouches for a mail that you send to yourself; look at the header of one from elsewhere"
        return remark("probe", f"{why}; {NOBODY_VOUCHES}")
    if real[0] in {name.lower() for name in authserv_id}:
        return good("probe", f"{real[0]} vouches for it")
    again = "" if authserv_id else ", and run this again: nothing was forged yet"
    kind = fault if authserv_id else remark
    return kind("probe", f"{real[0]} vouches for it; under [authentication] write {setting(real[0])}{again}")


def _clock(sent: datetime, found: _Arrival) -> Finding:
    """Whether the server's clock, as it took the mail in, stood between ours at sending and ours at seeing it."""
    off = max(sent - found.arrived, found.arrived - found.seen, timedelta())
    if off > CLOCK_MAY_DIFFER:
        told = f"{off.total_seconds() / 60:.0f} minutes {'ahead of' if found.arrived < sent else 'behind'}"
        return fault("clock", f"this machine's is {told} the mail server's; set it")
    return good("clock", "agrees with the mail server's")


def _copy(config: Config, session: Session, probe: _Probe) -> Iterator[Finding]:
    """Whether the provider puts what it sends into Sent by itself, against what the file says."""
    assert config.smtp is not None  # probe() looked
    try:
        found = _find(session, session.special("\\Sent", config.folders.sent), probe)
    except MailboxFailed:
        return  # that there is no such folder is told elsewhere
    if found:
        session.discard(found[0])
    if bool(found) is config.smtp.keeps_copy:
        yield good("probe", "a copy is in Sent" if found else "no copy is in Sent: rsvpd puts one there")
    elif found:
        yield remark("probe", "your provider puts a copy into Sent; under [smtp] write keeps_copy = true")
    else:
        yield remark("probe", "no copy came into Sent; under [smtp] write keeps_copy = false")
