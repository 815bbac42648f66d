"""LinkedIn's mails composed around anybody: each attested form of an invitation and its reminder, 2009 to 2026."""

# ruff: noqa: E501 - links are longer than lines

from __future__ import annotations

import base64
import quopri
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from html import escape

BOB = "Bob Recipient"
_BOBS_HEADLINE = "Professor of Knots at Example University"


@dataclass(frozen=True)
class Invite:
    """What an inviter sent."""

    name: str
    headline: str | None
    note: str
    slug: str = "ada-inviter-1"
    number: int = 7_000_000_000_000_000_001  # made 2022-11-24
    area: str = "Lyon, France"
    in_common: str | None = None

    @property
    def given(self) -> str:
        return self.name.split()[0]

    @property
    def made(self) -> datetime:
        return datetime.fromtimestamp((self.number >> 22) / 1000, UTC)


@dataclass(frozen=True)
class Form:
    """A form of the mail: text, page and headers with holes, and what of the invitation it carries."""

    name: str
    template: str
    subject: str
    text: str
    page: str
    sender: str = "invitations@linkedin.com"
    via: bool = False
    kind: str = "invitation"
    headline: bool = True
    note: bool = True
    profile: str | None = "https://www.linkedin.com/profile/view?id=AAsAA1"
    number: bool = True
    given: tuple[str, ...] = ()  # the parts that tell the given name
    words: tuple[str, ...] = ("Accept", "View profile")

    def body(self, invite: Invite, source: str, quote: object = str) -> str:
        """The text or page around an invitation."""
        assert callable(quote)
        values = {
            "name": quote(invite.name),
            "given": quote(invite.given),
            "headline": quote(invite.headline or ""),
            "area": quote(invite.area),
            "common": quote(invite.in_common or ""),
            "note": quote(invite.note),
            "slug": invite.slug,
            "number": invite.number,
            "template": self.template,
            "accept": self.words[0],
            "view": self.words[1],
            "bob": f"{BOB} ({_BOBS_HEADLINE})",
        }
        lines = [line for line in source.format(**values).split("\n") if line not in (_GONE, f"<p>{_GONE}</p>")]
        return "\n".join(lines)


_CRLF = "\r\n"
_GONE = "\0"  # a line that holds nothing in this mail


def compose(
    form: Form,
    invite: Invite,
    *,
    parts: str = "text+page",
    encoding: str = "quoted-printable",
    stripped: bool = False,
) -> bytes:
    """The mail; `stripped` of what a gateway may take away: LinkedIn's own headers."""
    date = invite.made + timedelta(days=8 if form.kind == "reminder" else 0, seconds=30)
    display = f"{invite.name} via LinkedIn" if form.via else invite.name
    fields = [
        ("Date", format_datetime(date)),
        ("From", f"{Header(display, 'utf-8', maxlinelen=60).encode(linesep=_CRLF)} <{form.sender}>"),
        ("To", f"{BOB} <bob@example.org>"),
        ("Message-ID", "<1.2.3@lva1-app1.prod.linkedin.com>"),
        ("Subject", Header(form.subject.format(name=invite.name, given=invite.given), "utf-8").encode(linesep=_CRLF)),
        ("MIME-Version", "1.0"),
    ]
    if not stripped:
        fields += [("X-LinkedIn-Class", "INVITE-MBR"), ("X-LinkedIn-Template", form.template)]
    bodies = []
    if "text" in parts:
        bodies.append(("plain", form.body(_laid_out(invite), form.text)))
    if "page" in parts:
        bodies.append(("html", form.body(_laid_out(invite), form.page, _in_html)))
    return _mail(fields, bodies, encoding)


def _laid_out(invite: Invite) -> Invite:
    return Invite(**{**vars(invite), "headline": invite.headline or _GONE, "in_common": invite.in_common or _GONE})


def _in_html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _mail(fields: list[tuple[str, str]], bodies: list[tuple[str, str]], encoding: str) -> bytes:
    parts = [_part(kind, text.replace("\n", "\r\n"), encoding) for kind, text in bodies]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    if len(parts) == 1:
        return head.encode() + parts[0]
    body = b"".join(b"--=_b\r\n" + part + b"\r\n" for part in parts)
    return head.encode() + b'Content-Type: multipart/alternative; boundary="=_b"\r\n\r\n' + body + b"--=_b--\r\n"


def _part(kind: str, text: str, encoding: str) -> bytes:
    raw = text.encode()
    if encoding == "base64":
        raw = base64.encodebytes(raw)
    elif encoding == "quoted-printable":
        raw = quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return f"Content-Type: text/{kind}; charset=UTF-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + raw


_OLD_URL = "http://www.linkedin.com/e/abc-def-gh/Jx{template}/{what}/I123456789_33/Kz/{end}"
_ACCEPT_OLD = "http://www.linkedin.com/e/abc-def-gh/Jx/blk/I123456789_33/Kz/svi/"
_VIEW_OLD = "http://www.linkedin.com/e/abc-def-gh/Jx/inv/I123456789_33/Kz/"
_GUEST_OLD = "http://www.linkedin.com/e/-abc-def-gh/Jx/isd/16211042/Kz/"
_FRAME_OLD = (
    "------------------------------------------\n\nWhy might it be a good idea?\n\n-- \n(c) 2010, LinkedIn Corporation"
)
_PROFILE_2013 = "https://www.linkedin.com/profile/view?id=AAsAA1&authType=name&authToken=x&trk=eml-inv-member-prof"
_PROFILE_2016 = "https://www.linkedin.com/comm/profile/view?id=AAsAA1&midToken=q&trk=eml-{template}-hero-3-prof%7Ecta"
_ACCEPT_2016 = (
    "https://www.linkedin.com/comm/people/invite-accept?mboxid=I5998851811758843108_500&sharedKey=k"
    "&invitationId={number}&trk=eml-{template}-hero-0-accept%7Ecta&midToken=q"
)
_PROFILE_NOW = (
    "https://www.linkedin.com/comm/in/{slug}?lipi=urn%3Ali%3Apage%3Aemail_{template}%3Bx%3D%3D&midToken=q&midSig=s"
    "&trk=eml-{template}-hero-3-prof%7Ecta&eid=a-b-c&otpToken=o"
)
_ACCEPT_NOW = (
    "https://www.linkedin.com/comm/mynetwork/invite-accept/invitationId/{number}/sharedKey/k/"
    "?lipi=urn%3Ali%3Apage%3Aemail_{template}%3Bx%3D%3D&trk=eml-{template}-hero-0-accept%7Ecta&eid=a-b-c"
)
_ACCEPT_GUEST = (
    "https://www.linkedin.com/comm/start/accept-invitation?sharedKey=k&invitationId={number}"
    "&trk=eml-{template}-hero-12-accept_text"
)
_CONFIRM_GUEST = (
    "https://www.linkedin.com/e/v2?e=-a-b-c&t=ssuw&tracking=eml-guest-invite-cta&ek=invite_guest&sharedKey=k"
    "&invitationId={number}"
)
_VIEW_GUEST = "https://www.linkedin.com/e/v2?e=-a-b-c&a=guestInviteeProfileView&ek={template}"
_FRAME_GUEST = (
    "You received an invitation to connect. LinkedIn will use your email address. "
    "Unsubscribe here: https://www.linkedin.com/e/v2?e=-a-b-c&t=uns&ek={template}\n\n"
    "This email was sent to bob@example.org.\n\n© 2016 LinkedIn Corporation"
)
_FRAME_PAGE_GUEST = (
    "<p>You received an invitation to connect. LinkedIn will use your email address. Unsubscribe here: </p>"
    "<p>This email was sent to bob@example.org.</p><p>© 2016 LinkedIn Corporation</p>"
)
_FRAME_2014 = (
    "You are receiving Invitation emails. Unsubscribe: https://www.linkedin.com/e/a-b-c/unsub/x/?ek={template}\n"
    "This email was intended for {bob}.\n© 2014, LinkedIn Corporation."
)
_FRAME_2016 = (
    ".....\n\nUnsubscribe: https://www.linkedin.com/e/v2?e=a-b-c&t=lun&ek={template}\n\n"
    "You are receiving Invitation emails.\n\nThis email was intended for {bob}.\n\n© 2016 LinkedIn Corporation"
)
_FRAME_NOW = (
    "----------------------------------------\n\nThis email was intended for {bob}\n"
    "Learn why we included this: https://www.linkedin.com/help/linkedin/answer/4788?trk=eml-{template}-SecurityHelp-0-x\n"
    "You are receiving {family} emails.\n\n"
    "Unsubscribe: https://www.linkedin.com/comm/psettings/email-unsubscribe?trk=eml-{template}-unsubscribe-0-x\n"
)
_HIDDEN = '<div style="visibility:hidden;max-height:0;mso-hide:all;">{note} &zwnj;&nbsp;&zwnj;&nbsp;</div>'
_HEAD_2016 = (
    _HIDDEN + '<table class="phoenix-email-container"><tr><td><a href="https://www.linkedin.com/comm/nhome/?'
    'trk=eml-{template}-header-4-home"><img alt="LinkedIn"></a></td><td><a href="https://www.linkedin.com/comm/profile/'
    'view?id=BBB&amp;trk=eml-{template}-header-6-profile"><span>Bob Recipient</span></a></td></tr></table>'
)
_HEAD_NOW = (
    _HIDDEN + '<table class="mercado-container"><tr><td><a href="https://www.linkedin.com/comm/in/bob-recipient?'
    'trk=eml-{template}-header-0-profile_glimmer"><img alt="Bob Recipient"></a></td></tr></table>'
)


def _block(profile: str, *, area: bool, what: str) -> str:
    link = profile.replace("hero-3-prof%7Ecta", what).replace("&", "&amp;")
    place = "\n<p>{area}</p>" if area else "\n<p>{common}</p>"
    return (
        f'<table><tr><td><a href="{link}"><img alt="{{name}}"></a></td><td>\n<a href="{link}"><span>{{name}}</span></a>'
        f"\n<p>{{headline}}</p>{place}\n</td></tr></table>"
    )


def _buttons(*links: tuple[str, str]) -> str:
    cells = "".join(f'<td><a href="{url.replace("&", "&amp;")}"><span>{label}</span></a></td>' for label, url in links)
    return f"<table><tr>{cells}</tr></table>"


_NOTE = "<table><tr><td><p>{note}</p></td></tr></table>"
_FRAME_PAGE = "<table><tr><td><p>This email was intended for {bob}</p></td></tr><tr><td>You are receiving {family} emails.</td></tr></table>"


def _framed(source: str, family: str = "Invitation") -> str:
    return source.replace("{family}", family)


MEMBER_2009 = Form(
    "member-2009",
    "inv_exp_member_02",
    "Join my network on LinkedIn",
    "LinkedIn\n------------\n\n{name} has indicated you are a colleague at Example Ltd:\n\n"
    "------------------------------------------\n\n{note}\n\n"
    f"Accept invitation from {{name}}\n{_ACCEPT_OLD}\n\nView invitation from {{name}}\n{_VIEW_OLD}\n{_FRAME_OLD}",
    "<table><tr><td><p>{name} has indicated you are a colleague at Example Ltd:</p></td></tr><tr><td><p>{note}</p></td></tr>"
    f'<tr><td><a href="{_ACCEPT_OLD}">Accept</a></td><td><a href="{_VIEW_OLD}">View invitation from {{name}}</a></td></tr>'
    "<tr><td>&copy; 2010, LinkedIn Corporation</td></tr></table>",
    sender="member@linkedin.com",
    via=True,
    headline=False,
    profile=None,
    number=False,
)
MEMBER_2012 = Form(
    "member-2012",
    "inv_exp_member_02",
    "Join my network on LinkedIn",
    "LinkedIn\n------------\n\n{name} requested to add you as a connection on LinkedIn:\n\n"
    "------------------------------------------\n\n{note}\n\n{name}\n{headline}\n{area}\n\n"
    f"Accept invitation from {{name}}\n{_ACCEPT_OLD}\n\nView invitation from {{name}}\n{_VIEW_OLD}\n{_FRAME_OLD}",
    "<table><tr><td><p>{name} requested to add you as a connection on LinkedIn:</p></td></tr><tr><td>"
    '<p><a href="http://www.linkedin.com/e/abc-def-gh/fpg/1/eml-inv/">{name}</a><br>\n{headline}\n<br>{area}</p><p>{note}</p>'
    f'</td></tr><tr><td><a href="{_ACCEPT_OLD}">Accept</a></td><td><a href="{_VIEW_OLD}">View invitation from {{name}}</a>'
    "</td></tr><tr><td>&copy; 2012, LinkedIn Corporation</td></tr></table>",
    sender="member@linkedin.com",
    via=True,
    profile=None,
    number=False,
)
GUEST_2010 = Form(
    "guest-2010",
    "invite_guest_59",
    "Join my network on LinkedIn",
    "LinkedIn\n------------\n\n{name} has invited you to LinkedIn:\n\n{note}\n\n"
    f"Accept invitation from {{name}}\n{_GUEST_OLD}\n\n-- \n(c) 2010, LinkedIn Corporation",
    "<p>{name} has invited you to LinkedIn:</p><p>{note}</p>"
    f'<p><a href="{_GUEST_OLD}">Accept invitation from {{name}}</a></p><p>(c) 2010, LinkedIn Corporation</p>',
    sender="member@linkedin.com",
    via=True,
    headline=False,
    profile=None,
    number=False,
)
MEMBER_2013 = Form(
    "member-2013",
    "inv_exp_member_02",
    "Invitation to connect on LinkedIn",
    "{name} would like to connect on LinkedIn. How would you like to respond?\n\n{name}\n{headline}\n{area}\n\n{note}\n\n"
    f"Accept: {_ACCEPT_OLD}\n\nView profile: {_PROFILE_2013}\n\n{_FRAME_2014}",
    _HEAD_2016 + "<table><tr><td><p><b>{name}</b> would like to connect on LinkedIn. How would you like to respond?</p>"
    "</td></tr></table>"
    + _block(_PROFILE_2013, area=True, what="")
    + _NOTE
    + _buttons(("Confirm you know {given}", _ACCEPT_OLD), ("View profile", _PROFILE_2013))
    + _framed(_FRAME_PAGE),
    sender="member@linkedin.com",
    via=True,
    number=False,
)
REMINDER_2013 = Form(
    "reminder-2013",
    "invite_reminder_member_02",
    "{name}'s invitation is awaiting your response",
    "{name} would like to connect on LinkedIn. How would you like to respond?\n\n{name}\n{headline}\n{area}\n\n"
    f"Accept: {_ACCEPT_OLD}\n\nView profile: {_PROFILE_2013}\n\n"
    "This is a reminder that on 10/24/13 12:25 PM, {name} sent you an invitation to become part of their professional "
    "network at LinkedIn.\n\nReminder emails for pending invitations. Unsubscribe: https://www.linkedin.com/e/a/unsub/x/\n\n"
    "This email was intended for {bob}.",
    _HEAD_2016
    + "<table><tr><td><p>{name} would like to connect on LinkedIn. How would you like to respond?</p></td></tr></table>"
    + _block(_PROFILE_2013, area=True, what="")
    + _buttons(("Accept", _ACCEPT_OLD), ("View profile", _PROFILE_2013))
    + "<p>This is a reminder that on 10/24/13 12:25 PM, {name} sent you an invitation.</p>",
    kind="reminder",
    note=False,
    number=False,
)
MEMBER_2014 = Form(
    "member-2014",
    "invite_member_28",
    "Invitation to connect on LinkedIn",
    "{note}\n\n{name}\n{headline}\n{area}\n\n"
    f"Accept: {_ACCEPT_OLD}\n\nView profile: {_PROFILE_2013}\n\n{_FRAME_2014}",
    _HEAD_2016
    + _NOTE
    + _block(_PROFILE_2013, area=True, what="")
    + _buttons(("Accept", _ACCEPT_OLD), ("View profile", _PROFILE_2013))
    + _framed(_FRAME_PAGE),
    sender="invitations-noreply@linkedin.com",
    number=False,
)
MEMBER_2015 = Form(
    "member-2015",
    "invite_member_28",
    "Invitation to connect on LinkedIn",
    f"{{note}}\n\n{{name}}\n{{headline}}\n\nAccept: {_ACCEPT_2016}\n\nView {{name}}'s profile: {_PROFILE_2016}\n\n{_FRAME_2016}",
    _HEAD_2016
    + _NOTE
    + _block(
        _PROFILE_2016.replace("eml-{template}-hero-3-prof%7Ecta", "eml-comm_invm-b-profile-newinvite"),
        area=True,
        what="",
    )
    + _buttons(("Accept", _ACCEPT_2016), ("View Profile", _PROFILE_2016))
    + _framed(_FRAME_PAGE),
)
MEMBER_2016 = Form(
    "member-2016",
    "email_m2m_invite_single_01",
    "Bob, please add me to your LinkedIn network",
    f"{{note}}\n\n{{name}}\n{{headline}}\n\nView profile: {_PROFILE_2016}\n\nAccept: {_ACCEPT_2016}\n\n{_FRAME_2016}",
    _HEAD_2016
    + _NOTE
    + _block(_PROFILE_2016, area=True, what="hero-2-prof%7Ename")
    + _buttons(("Accept", _ACCEPT_2016), ("View profile", _PROFILE_2016))
    + _framed(_FRAME_PAGE),
)
GUEST_2015 = Form(
    "guest-2015",
    "invite_guest",
    "Invitation to connect on LinkedIn",
    f"{{note}}\n\n- {{given}}\n\nConfirm that you know {{given}}: {_CONFIRM_GUEST}\n\n{_FRAME_GUEST}",
    f"<table><tr><td><p>{{note}}</p><p>- {{given}}</p>"
    f'<p><a href="{_CONFIRM_GUEST.replace("&", "&amp;")}">Confirm that you know {{given}}</a></p>{_FRAME_PAGE_GUEST}'
    "</td></tr></table>",
    headline=False,
    profile=None,
    given=("text+page", "text", "page"),
)
GUEST_REMINDER_2016 = Form(
    "guest-reminder-2016",
    "first_guest_reminder_01",
    "{name}'s invitation is waiting for your response",
    "Hi bob,\n\n{name} would like to connect on LinkedIn. How would you like to respond?\n\n"
    f"Accept: {_ACCEPT_GUEST}\n\nView {{name}}'s profile: {_VIEW_GUEST}\n\n{{note}}\n\n{_FRAME_GUEST}",
    "<table><tr><td><p>Hi bob,</p><p>{name} would like to connect on LinkedIn. How would you like to respond?</p>"
    f'<p><a href="{_ACCEPT_GUEST.replace("&", "&amp;")}">Accept</a></p>'
    f'<p><a href="{_VIEW_GUEST.replace("&", "&amp;")}">View {{name}}\'s profile</a></p><p>{{note}}</p>{_FRAME_PAGE_GUEST}'
    "</td></tr></table>",
    kind="reminder",
    headline=False,
    profile=None,
)
GUEST_REMINDER_2020 = Form(
    "guest-reminder-2020",
    "email_second_guest_reminder_03",
    "{name}'s invitation is waiting for your response",
    f"{_ACCEPT_GUEST}\n\n{_VIEW_GUEST}\n\nHi bob,\n\n"
    "{name} would like to connect on LinkedIn. How would you like to respond?\n\n{note}\n\n- {given}\n\n"
    "You received an invitation to connect. LinkedIn will use your email address. Unsubscribe here: \n"
    "https://www.linkedin.com/e/v2?e=-a-b-c&t=uns&ek={template}\n\n"
    "You are receiving Invitation reminder email emails.\n\nThis email was sent to bob@example.org.",
    GUEST_REMINDER_2016.page,
    kind="reminder",
    headline=False,
    profile=None,
    given=("text+page", "text"),
)
MEMBER_NOW = Form(
    "member-now",
    "email_m2m_invite_single_01",
    "I want to connect",
    f"{{note}}\n\n{{name}}\n{{headline}}\n{{common}}\n\nView profile: {_PROFILE_NOW}\n\nAccept: {_ACCEPT_NOW}\n\n{_framed(_FRAME_NOW)}",
    _HEAD_NOW
    + _NOTE
    + _block(_PROFILE_NOW, area=False, what="hero-0-profile_text")
    + _buttons(("{accept}", _ACCEPT_NOW), ("{view}", _PROFILE_NOW))
    + _framed(_FRAME_PAGE),
    profile="https://www.linkedin.com/in/ada-inviter-1",
)
REMINDER_NOW = Form(
    "reminder-now",
    "email_m2m_invite_reminder_02",
    "{given} is waiting for your response",
    "{name}, Cook from Example Ltd is waiting for your response\n\n{note}\n\n{name}\n{headline}\n{common}\n\n"
    f"Accept: {_ACCEPT_NOW}\n\nView profile: {_PROFILE_NOW}\n\n{_framed(_FRAME_NOW, 'Invitation reminder email')}",
    _HEAD_NOW
    + "<table><tr><td><h2>{name}, Cook from Example Ltd is waiting for your response</h2></td></tr></table>"
    + _NOTE
    + _block(_PROFILE_NOW, area=False, what="hero-0-profile_text")
    + _buttons(("Accept", _ACCEPT_NOW), ("View profile", _PROFILE_NOW))
    + _framed(_FRAME_PAGE, "Invitation reminder email"),
    kind="reminder",
    profile="https://www.linkedin.com/in/ada-inviter-1",
)

FORMS = (
    MEMBER_2009,
    MEMBER_2012,
    GUEST_2010,
    MEMBER_2013,
    REMINDER_2013,
    MEMBER_2014,
    MEMBER_2015,
    MEMBER_2016,
    GUEST_2015,
    GUEST_REMINDER_2016,
    GUEST_REMINDER_2020,
    MEMBER_NOW,
    REMINDER_NOW,
)
