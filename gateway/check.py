"""What `rsvpd check` looks at beyond the file itself: one finding a line, and what to do about it."""

from __future__ import annotations

import email.policy
import email.utils
import inspect
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from gateway import smtp
from gateway.config import Config, Smtp, line_of
from gateway.errors import BadTemplate, MailboxFailed, SendFailed
from gateway.evidence import gather
from gateway.imap import Session
from gateway.lint import lint
from gateway.logins import kept, login_of, troubles
from gateway.owner import connect_of, policy_of, replies_of
from gateway.state import folder_of

_NO_MAILBOX = "no [imap]: nothing is filed; drafts and texts to paste stand in `rsvpd show` only"
_ANYBODY_HERE = (
    "every program on this machine can hand mail over at a port, with Authentication-Results of its own making; "
    'where others have a login, listen at a socket or set dkim = "verify"'
)


class Outcome(StrEnum):
    GOOD = "ok"
    REMARK = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    outcome: Outcome
    what: str
    found: str


def checks(config: Config) -> Iterator[Check]:
    """Everything about a readable file, cheapest first; each stands for itself."""
    yield from _identity(config)
    yield from _policy(config)
    yield from _records(config)
    yield from _state(config)
    yield from _runtime()
    yield from _logins(config)
    yield from _handed_over(config)
    yield from _mailbox(config)
    yield from _submission(config)


def _good(what: str, found: str) -> Check:
    return Check(Outcome.GOOD, what, found)


def _fault(what: str, found: str) -> Check:
    return Check(Outcome.FAULT, what, found)


def _identity(config: Config) -> Iterator[Check]:
    if config.me.name and config.me.addresses:
        yield _good("you", f"{config.me.name} <{config.me.addresses[0]}>")
    else:
        yield _fault("you", "[me] needs name and addresses: answers come from them")
    if config.authentication.authserv_id:
        yield _good("authentication", f"believes {', '.join(config.authentication.authserv_id)}")
    elif config.authentication.dkim == "verify":
        yield _good("authentication", "signatures are checked here")
    else:
        hint = 'the name in "Authentication-Results: NAME; ..." in the header of any mail you got'
        yield Check(Outcome.REMARK, "authentication", f"no authserv_id, so every invitation is left to you; set {hint}")


def _policy(config: Config) -> Iterator[Check]:
    """What the linter says of rules and templates, each with its line in the file."""
    text = config.path.read_text("utf-8") if config.path else ""
    policy = policy_of(config)
    try:
        remarks = lint(config.policy, config.rule, policy, replies_of(config, policy), topics=config.me.topics)
    except BadTemplate as exc:
        yield _fault("templates", str(exc))
        return
    for remark in remarks:
        line = line_of(remark.where, text) if remark.where else None
        yield _fault("policy", f"line {line}: {remark.what}" if line else remark.what)
    if not remarks:
        yield _good("policy", f"preset {config.policy.preset}, {len(config.rule)} rules of your own")


def _records(config: Config) -> Iterator[Check]:
    for found in gather(config.evidence, config.me, datetime.now(UTC)):
        if found.fault:
            yield _fault("records", str(found.fault))
        else:
            yield _good("records", f"{found.source}: {len(found.acquaintances)} people")


def _state(config: Config) -> Iterator[Check]:
    folder = folder_of(config)
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        yield _fault("state", f"{nearest} cannot be written by this user; the journal is to stand in {folder}")
    else:
        yield _good("state", str(folder))


def _runtime() -> Iterator[Check]:
    # By what they can do, not by version: distributions mend old versions (CVE-2023-27043, CVE-2024-6923).
    strict = "strict" in inspect.signature(email.utils.parseaddr).parameters
    verified = hasattr(email.policy.Policy, "verify_generated_headers")
    if strict and verified:
        yield _good("python", "its mail library has the known faults mended")
    else:
        yield Check(Outcome.REMARK, "python", "its mail library lacks two known mends; use a current patch release")


def _logins(config: Config) -> Iterator[Check]:
    for found in kept(config):
        yield _good("login", found)
    for found in troubles(config, datetime.now(UTC)):
        yield Check(Outcome.REMARK, "login", found)


def _handed_over(config: Config) -> Iterator[Check]:
    if config.lmtp is None:
        return
    if config.lmtp.socket and not os.access(config.lmtp.socket.parent, os.W_OK | os.X_OK):
        yield _fault("lmtp", f"no socket can be made in {config.lmtp.socket.parent}")
        return
    addresses = ", ".join(config.me.addresses) or "nobody: [me] has no addresses"
    yield _good("lmtp", f"{config.lmtp.protocol} at {config.lmtp.listen} for {addresses}")
    if config.lmtp.socket is None and config.authentication.dkim == "header":
        yield Check(Outcome.REMARK, "lmtp", _ANYBODY_HERE)


def _mailbox(config: Config) -> Iterator[Check]:
    if config.imap is None:
        yield Check(
            Outcome.REMARK, "imap", _NO_MAILBOX if config.lmtp else "no [imap]: `rsvpd run` has no mail to read"
        )
        return
    try:
        session = connect_of(config)()
    except MailboxFailed as exc:
        yield _fault("imap", str(exc))
        return
    yield _good("imap", f"logged in at {session.place} as {config.imap.user}")
    yield from _folders(config, session)
    session.close()


def _folders(config: Config, session: Session) -> Iterator[Check]:
    folders = config.folders
    try:
        yield _good("folder", f"{folders.inbox}: {session.select(folders.inbox).exists} mails")
    except MailboxFailed as exc:
        yield _fault("folder", str(exc))
    for use, named in (("\\Sent", folders.sent), ("\\Drafts", folders.drafts)):
        try:
            yield _good("folder", f"{use} is {session.special(use, named)}")
        except MailboxFailed as exc:
            yield _fault("folder", str(exc))


def _submission(config: Config) -> Iterator[Check]:
    account: Smtp | None = config.smtp
    if account is None:
        yield Check(Outcome.REMARK, "smtp", "no [smtp]: nothing can be sent, the weekly summary neither")
        return
    try:
        sender = account.bounces or next(iter(config.me.addresses), account.user)
        login_of(config, account).use(lambda secret: smtp.probe(account, secret, sender=sender))
    except SendFailed as exc:
        yield _fault("smtp", str(exc))
    else:
        yield _good("smtp", f"logged in at {account.host}:{account.port} as {account.user}")
