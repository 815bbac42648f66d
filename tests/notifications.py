"""Notifications as the tests need them: composed in the networks' forms around invented people."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime

MX = "mx.example.org"
OWNER = "Ada Miller <ada@example.org>"
_SIGNED = "Date:From:Subject:MIME-Version:Content-Type:To:X-LinkedIn-Class:X-LinkedIn-Template"


def linkedin(
    name: str,
    *,
    note: str = "Hi Ada, I'd like to join your professional network.",
    headline: str = "Cook",
    slug: str | None = None,
    invitation: int | None = None,
    template: str = "email_m2m_invite_single_01",
    subject: str = "I want to connect",
    dkim: str | None = "pass",
    age: timedelta = timedelta(minutes=5),
    to: str = OWNER,
) -> bytes:
    """A member's invitation of today's form; `dkim` is what the owner's mail server found, None if it said nothing."""
    slug = slug or name.lower().replace(" ", "-")
    number = invitation or secrets.randbits(20) + (int(datetime.now(UTC).timestamp() * 1000) << 22)
    trk = f"trk=eml-{template}-hero"
    text = (
        f"{note}\n\n{name}\n{headline}\n\n"
        f"View profile: https://www.linkedin.com/comm/in/{slug}?{trk}-3-prof%7Ecta&midToken=AQ{secrets.token_hex(6)}\n\n"
        f"Accept: https://www.linkedin.com/comm/mynetwork/invite-accept/invitationId/{number}/sharedKey/x/?{trk}-0-accept%7Ecta\n\n"
        "----------------------------------------\n\n"
        "This email was intended for Ada Miller (Editor)\nYou are receiving Invitation emails.\n"
    )
    return compose(
        [
            ("From", f"{_display(name)} <invitations@linkedin.com>"),
            ("Subject", subject),
            ("To", to),
            ("X-LinkedIn-Class", "EMAIL-DEFAULT"),
            ("X-LinkedIn-Template", template),
        ],
        text,
        domain="linkedin.com",
        dkim=dkim,
        age=age,
    )


def reminder(name: str, **changes: object) -> bytes:
    """The reminder of a member's invitation."""
    form = {"template": "email_m2m_invite_reminder_02", "subject": f"{name} is waiting for your response"}
    return linkedin(name, **{**form, **changes})  # type: ignore[arg-type]


def old_linkedin(
    name: str,
    address: str,
    *,
    note: str = "Ada,\n\nI'd like to add you to my professional network on LinkedIn.\n\n- {name}",
    signed_reply_to: bool = True,
    age: timedelta = timedelta(minutes=5),
    dkim: str | None = "pass",
) -> bytes:
    """A member's invitation of the form of 2009 to 2012, whose Reply-To reached the inviter."""
    identifier = f"I{secrets.randbelow(10**9)}_{secrets.randbelow(99)}"
    text = (
        f"LinkedIn\n------------\n\n{name} has indicated you are a friend:\n\n"
        f"------------------------------------------\n\n{note.format(name=name)}\n\n"
        f"Accept invitation from {name}\nhttp://www.linkedin.com/e/x/y/blk/{identifier}/z/svi/\n\n"
        f"View invitation from {name}\nhttp://www.linkedin.com/e/x/y/inv/{identifier}/z/\n"
        "------------------------------------------\n"
    )
    return compose(
        [
            ("From", f"{_display(f'{name} via LinkedIn')} <member@linkedin.com>"),
            ("Reply-To", f"{_display(name)} <{address}>"),
            ("Subject", "Join my network on LinkedIn"),
            ("To", OWNER),
            ("X-LinkedIn-Class", "INVITE-MBR"),
            ("X-LinkedIn-Template", "inv_exp_member_02"),
        ],
        text,
        domain="linkedin.com",
        dkim=dkim,
        age=age,
        signed=f"{_SIGNED}:Reply-To" if signed_reply_to else _SIGNED,
    )


def ordinary(subject: str = "Lunch?", *, sender: str = "Bea Friend <bea@example.net>") -> bytes:
    """A mail between people."""
    return compose([("From", sender), ("To", OWNER), ("Subject", subject)], "See you at noon.\n", domain="example.net")


def _display(name: str) -> str:
    return name if name.isascii() else Header(name, "utf-8").encode()


def compose(
    fields: list[tuple[str, str]],
    text: str,
    *,
    domain: str,
    dkim: str | None = "pass",
    age: timedelta = timedelta(minutes=5),
    signed: str = _SIGNED,
) -> bytes:
    """A mail with these fields and what the owner's mail server puts on top of it."""
    date = format_datetime(datetime.now(UTC) - age)
    start = secrets.token_hex(4)
    outside = f"from mail.{domain} (mail.{domain} [192.0.2.7]) by {MX} with ESMTPS id {start}; {date}"
    trace = [("Received", outside)]
    if dkim:
        trace.insert(0, ("Authentication-Results", f"{MX}; dkim={dkim} header.d={domain} header.s=s1 header.b={start}"))
    signature = f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1; h={signed}; bh=x; b={start}{'A' * 40}"
    every = [
        *trace,
        ("DKIM-Signature", signature),
        ("Date", date),
        ("Message-ID", f"<{secrets.token_hex(12)}@{domain}>"),
        *fields,
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=UTF-8"),
        ("Content-Transfer-Encoding", "8bit"),
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in every)
    return (head + "\r\n" + text.replace("\n", "\r\n")).encode()
