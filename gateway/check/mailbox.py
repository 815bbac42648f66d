"""What `rsvpd check` finds in the owner's mailbox: the login, the server's abilities, the folders, whose word counts.

Reads, and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta

from gateway.check.finding import Finding, fault, good, remark
from gateway.config import Config, Imap
from gateway.errors import MailboxFailed, Unreadable
from gateway.imap import Selected, Session
from gateway.mail import parse
from gateway.owner import connect_of
from gateway.plural import plural
from gateway.provenance import believable

CLOCK_MAY_DIFFER = timedelta(minutes=5)
NOBODY_VOUCHES = 'if none of your servers checks signatures, write dkim = "verify" under [authentication]'
_NO_MAILBOX = "no [imap]: nothing is filed; drafts and texts to paste stand in `rsvpd show` only"
_RECENT = 50  # mails whose header is looked at
_ENOUGH = 3  # of them to go by
_ALMOST_FULL = 0.9
_MEGABYTE = 1024 * 1024


def mailbox(config: Config, now: datetime) -> Iterator[Finding]:
    """Everything the service will need of the IMAP account."""
    if config.imap is None:
        yield remark("imap", _NO_MAILBOX if config.lmtp else "no [imap]: `rsvpd run` has no mail to read")
        return
    try:
        with closing(connect_of(config)()) as session:
            yield good("imap", f"logged in at {session.place} as {config.imap.user}")
            yield from _abilities(config.imap, session)
            yield from _inbox(config, session, now)
            yield from _special(config, session)
    except MailboxFailed as exc:
        yield fault("imap", str(exc))


def _abilities(account: Imap, session: Session) -> Iterator[Finding]:
    able = session.capabilities
    if "IDLE" not in able:
        every = int(account.poll.total_seconds()) // 60
        yield remark("imap", f"the server does not tell of new mail (no IDLE): looked for every {every} minutes")
    if able.isdisjoint({"MOVE", "UIDPLUS"}):
        yield remark("imap", "mails that are moved stay behind, marked as deleted (neither MOVE nor UIDPLUS)")
    if full := session.fullness():
        used, allowed = full
        told = f"{used // _MEGABYTE:,} of {allowed // _MEGABYTE:,} MB used"
        almost = used > allowed * _ALMOST_FULL
        yield remark("quota", f"{told}; a full mailbox takes no drafts") if almost else good("quota", told)


def _inbox(config: Config, session: Session, now: datetime) -> Iterator[Finding]:
    folder = config.folders.inbox
    try:
        selected = session.select(folder)
    except MailboxFailed as exc:
        yield fault("folder", str(exc))
        return
    yield _keeps(folder, selected)
    recent = session.uids(since=1)[-_RECENT:]
    if not recent:
        return
    yield from _clock(max(session.arrived(recent[-1:]).values(), default=now), now)
    yield from _word(config, session, recent)


def _keeps(folder: str, selected: Selected) -> Finding:
    told = f"{folder}: {selected.exists:,} {plural(selected.exists, 'mail')}"
    if selected.takes_keywords:
        return good("folder", told)
    return remark("folder", f"{told}; it keeps no keywords, so mails that were looked at are not marked there")


def _clock(newest: datetime, now: datetime) -> Iterator[Finding]:
    # The other way round proves nothing: mail may have stopped coming.
    if newest - now > CLOCK_MAY_DIFFER:
        yield remark("clock", f"a mail came at {newest:%Y-%m-%d %H:%M %Z}, which is still to come here; set the clock")


def _word(config: Config, session: Session, uids: Sequence[int]) -> Iterator[Finding]:
    """Whose Authentication-Results the mails of late carry, compared with whose are believed."""
    found = _words(session, uids)
    ours = [name for name in config.authentication.authserv_id if found[name.lower()]]
    usual, times = _usual(found)
    if ours:
        yield good("authentication", f"{ours[0]} vouches for {found[ours[0].lower()]} of the last {len(uids)} mails")
    elif times > len(uids) / 2:
        told = f"{usual} vouches for {times} of the last {len(uids)} mails"
        believed = config.authentication.authserv_id
        kind = fault if believed else remark
        nobody = f", {believed[0]} for none" if believed else ""
        yield kind("authentication", f"{told}{nobody}; under [authentication] write {setting(usual)}")
    elif config.authentication.dkim == "header":
        yield remark("authentication", f"nobody vouches for most of the last {len(uids)} mails; {NOBODY_VOUCHES}")


def setting(name: str) -> str:
    """The line of the file that has a server believed."""
    return f'authserv_id = ["{name}"]'


def usual_word(session: Session, folder: str) -> str | None:
    """The server that vouches for most of the mails that came of late; None where there is none."""
    session.select(folder)
    uids = session.uids(since=1)[-_RECENT:]
    usual, times = _usual(_words(session, uids))
    return usual if len(uids) >= _ENOUGH and times > len(uids) / 2 else None


def _usual(words: Counter[str]) -> tuple[str, int]:
    return next(iter(words.most_common(1)), ("", 0))


def _words(session: Session, uids: Sequence[int]) -> Counter[str]:
    """The servers whose word on these mails would count; of each mail the topmost, since others may be made up."""
    found: Counter[str] = Counter()
    for _, header in session.headers(uids, ("Received", "Authentication-Results")):
        with suppress(Unreadable):
            found.update(believable(parse(header))[:1])
    return found


def _special(config: Config, session: Session) -> Iterator[Finding]:
    for use, named in (("\\Sent", config.folders.sent), ("\\Drafts", config.folders.drafts)):
        try:
            yield good("folder", f"{use} is {session.special(use, named)}")
        except MailboxFailed as exc:
            yield fault("folder", str(exc))
