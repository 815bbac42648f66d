"""What kind of mail it is, told by what is hardest to get wrong.

In this order: the template token, exactly (from the header, or from the links of a mail that lost it), the sentence
of the footer, the subject, the structure. From alone tells nothing: invitations, reminders, digests and "accepted"
come from the same address.
"""

from __future__ import annotations

import re
from datetime import timedelta

from gateway.model import Kind, Mail
from gateway.networks.linkedin import links

_A_DAY = timedelta(days=1)
_URL = re.compile(r"https?://[^\s\"'<>]{1,4096}")


def _forms(*forms: tuple[Kind, str]) -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(form, re.IGNORECASE)) for kind, form in forms)


# Versions go up, so the number is free; everything else is exact, because "accept_invite" (somebody accepted) and
# "invite-accept" (the button of an invitation) are a word apart.
_TEMPLATES = _forms(
    (Kind.INVITATION, r"inv_exp_member_\d+|invite_member(_\d+)?|m2m_invitation|(email_)?m2m_invite_single_\d+"),
    (Kind.INVITATION, r"(sms_)?invite_guest(_\d+)?|(email_)?guest_invite(_single)?_\d+"),
    (Kind.REMINDER, r"(email_)?m2m_invite_reminder_\d+|invite_reminder_member_\d+"),
    (Kind.REMINDER, r"(email_)?(first|second|third)_guest_reminder_\d+|(email_)?guest_invite_reminder_\d+"),
    (Kind.ACCEPTED, r"accept_invite_\d+|email_accept_invite(_\w+)?_\d+"),
    (Kind.DIGEST, r"email_m2m_invite_digest_\d+|what_you_missed(_v\d+)?"),
    (Kind.SUGGESTION, r"email_pymk_\d+|connection_suggestion_email"),
    (
        Kind.MESSAGE,
        r"email_member_message(_v\d+)?|email_type_messaging_digest|inmail_\w+|email_\w*inmail\w*|cap_mebc_\w+",
    ),
    (
        Kind.OTHER,
        r"(email_)?(jobs?|groups?|notification|network|weekly|career|series|editorial|security|application)_\w+",
    ),
)
_FOOTER = re.compile(r"You are receiving (?P<kind>[^.\n]{3,60}?) e-?mails?\b", re.IGNORECASE)
_FOOTERS = _forms(
    (Kind.REMINDER, r"(guest )?invitation reminders?( e-?mails?)?"),
    (Kind.INVITATION, r"(guest )?invitations?"),
    (Kind.ACCEPTED, r"accepted invitations?"),
    (Kind.MESSAGE, r"(messages digest|inmail|message notification)s?"),
    (Kind.SUGGESTION, r"people you may know( notification)?s?"),
    (Kind.DIGEST, r"activity you missed|invitations? digest|pending invitations?"),
    (Kind.OTHER, r".*"),
)
# Look-alikes first: their words hold those of an invitation.
_SUBJECTS = _forms(
    (Kind.SUGGESTION, r"do you know .*\?|add .+ - .+|.+, meet .+|você conhece .*\?|.*people you may know.*"),
    (Kind.ACCEPTED, r".*accepted your (invitation|request).*|see .+ connections, experience,? and more.*"),
    (Kind.ACCEPTED, r".*start a conversation with your new connection.*|you have \d+ new connections?"),
    (Kind.DIGEST, r"you have (an|\d+)( new| pending)? invitations?.*|.*see what your network has been up to.*"),
    (Kind.REMINDER, r".+'s invitation is (still )?(a?waiting)( for)? your response.*"),
    (Kind.REMINDER, r".+ is (still )?waiting for your response|.+ è in attesa della tua risposta"),
    (Kind.REMINDER, r"i've sent you a connection request"),
    (Kind.MESSAGE, r".+ just messaged you|.+ sent (you )?(a )?new messages?"),
    (Kind.INVITATION, r"i want to connect|voglio collegarmi|.+, please add me to your linkedin network"),
    (Kind.INVITATION, r"join my network on linkedin|invitation (to connect on|à se connecter sur) linkedin"),
    (Kind.INVITATION, r"invitación a conectar en linkedin|invito a collegarsi su linkedin"),
    (Kind.INVITATION, r"undangan untuk terhubung di linkedin"),
)


def kind_of(mail: Mail) -> Kind:
    """What the mail is; other where nothing says that it is one of the kinds we know."""
    by_subject = _match(_SUBJECTS, mail.subject.replace("’", "'"))
    by_template = _by_template(mail)
    # The templates of 2012 served invitations and their reminders, and a footer calls the whole family "Invitation".
    if by_template is Kind.INVITATION and by_subject is Kind.REMINDER:
        return Kind.REMINDER
    if by_template:
        return by_template
    by_footer = _by_footer(mail)
    if by_footer is Kind.INVITATION and by_subject:
        return by_subject
    return by_footer or by_subject or _by_structure(mail)


def _match(forms: tuple[tuple[Kind, re.Pattern[str]], ...], text: str) -> Kind | None:
    return next((kind for kind, form in forms if form.fullmatch(text)), None)


def _by_template(mail: Mail) -> Kind | None:
    header = [value.partition("/")[0].strip() for value in mail.header("X-LinkedIn-Template")]
    if header:
        return next((kind for token in header if (kind := _match(_TEMPLATES, token))), None)
    for body in (mail.text, mail.html):
        for token in links.template_tokens(body):
            if kind := _match(_TEMPLATES, token):
                return kind
    return None


def _by_footer(mail: Mail) -> Kind | None:
    for body in (mail.text, mail.html):
        if named := _FOOTER.findall(body, _end_of_buttons(body)):
            return _match(_FOOTERS, named[-1].strip())
    return None


def _end_of_buttons(body: str) -> int:
    """Where the last button that accepts ends: a note may quote a footer, but stands above."""
    return max((found.end() for found in _URL.finditer(body) if links.accepts(found[0])), default=0)


def _by_structure(mail: Mail) -> Kind:
    """What the buttons do; the only evidence there is in a language or form nobody has described."""
    urls = [found[0].replace("&amp;", "&") for body in (mail.text, mail.html) for found in _URL.finditer(body)]
    buttons = [url for url in urls if links.is_mails_own(url) and links.accepts(url)]
    if any("/send-invite/" in url for url in urls):
        return Kind.SUGGESTION
    if not buttons:
        return Kind.OTHER
    invitations = links.invitations(buttons)
    if len(invitations) > 1:
        return Kind.DIGEST
    made = links.made_at(invitations[0]) if invitations else None
    return Kind.REMINDER if made and mail.date and mail.date - made > _A_DAY else Kind.INVITATION
