"""LinkedIn's mails, from 2009 to today, members' and guests', in any language of the words around the note."""

from __future__ import annotations

import re

from gateway.cases import INVITES
from gateway.errors import Unreadable
from gateway.mail import plain
from gateway.model import Kind, Mail, Notification, Person
from gateway.networks import comes_from, is_within
from gateway.networks.linkedin import links, words
from gateway.networks.linkedin.headline import company_of
from gateway.networks.linkedin.kind import kind_of
from gateway.networks.linkedin.layout import Layout, layout_of
from gateway.networks.linkedin.lead import Lead

NAME = "linkedin"
SEARCH = (("FROM", "linkedin.com"),)
_LIMIT = 200  # characters of a free member's message with an invitation
_LONGEST_TEXT, _LONGEST_PAGE = 64 * 1024, 160 * 1024  # characters of an invitation; theirs have a third of that
_VIA = re.compile(r"\s+(?:via|vía|über) LinkedIn$", re.IGNORECASE)
_ITSELF = re.compile(r"linkedin\b", re.IGNORECASE)
_NAMED_IN_SUBJECT = re.compile(r"(?P<name>.+?)(?:['’]s invitation| is (?:still )?waiting for)\b.*", re.IGNORECASE)


def parse(mail: Mail) -> Notification | None:
    """What a LinkedIn mail says; Unreadable for an invitation of a form nobody has described."""
    if not comes_from(mail, "linkedin.com"):
        return None
    kind = kind_of(mail)
    if kind not in INVITES:
        accepted_by = _called(mail) if kind is Kind.ACCEPTED else None
        language = words.language_of(mail.text)
        return Notification(NAME, kind, language=language, accepted_by=accepted_by, limit=_LIMIT)
    if len(mail.text) > _LONGEST_TEXT or len(mail.html) > _LONGEST_PAGE:
        raise Unreadable("an invitation much longer than LinkedIn's", network=NAME)
    layout = layout_of(mail.text, mail.html, Lead(_called(mail), kind is Kind.REMINDER))
    if layout is None:
        raise Unreadable("an invitation in a form I do not know: it has no button to accept it", network=NAME)
    invitation = next(iter(links.invitations(layout.buttons)), None)
    return Notification(
        network=NAME,
        kind=kind,
        inviter=_inviter(mail, layout),
        note=layout.note,
        language=words.language_of(layout.frame),
        invitation=invitation,
        sent_at=links.made_at(invitation),
        given_name=layout.given_name,
        limit=_LIMIT,
    )


def _called(mail: Mail) -> str | None:
    """The inviter's name as the header has it."""
    name = _VIA.sub("", mail.from_[0].name)
    if name and not _ITSELF.match(name):
        return name
    found = _NAMED_IN_SUBJECT.fullmatch(mail.subject)
    return plain(found["name"]) if found else None


def _inviter(mail: Mail, layout: Layout) -> Person:
    return Person(
        name=layout.name,
        headline=layout.headline,
        company=company_of(layout.headline) if layout.headline else None,
        profile_url=next((found for url in layout.buttons if (found := links.profile_url(url))), None),
        address=_own_address(mail),
    )


def _own_address(mail: Mail) -> str | None:
    """The inviter's address, which stood in Reply-To while members wrote as member@; a later one is nobody's."""
    if mail.from_[0].address != "member@linkedin.com" or len(mail.reply_to) != 1:
        return None
    box = mail.reply_to[0]
    return None if is_within(box.domain, "linkedin.com") else box.address
