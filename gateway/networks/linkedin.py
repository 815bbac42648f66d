"""LinkedIn's mails, from 2009 to today.

The kind is told by what is hardest to get wrong, in this order: the template token, exactly (from the header, or
from the links of a mail that lost it), the sentence of the footer, the subject, the structure. From alone tells
nothing: invitations, reminders, digests and "accepted" come from the same address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

from gateway.errors import Unreadable
from gateway.hypertext import Line, lines_of
from gateway.mail import plain
from gateway.model import Kind, Mail, Notification, Person
from gateway.networks import comes_from, is_within, linkedin_profile

NAME = "linkedin"
SEARCH = (("FROM", "linkedin.com"),)
_LIMIT = 200  # characters of a free member's message with an invitation

# Token of the template -> kind. Versions go up, so the number is free; everything else is exact, because
# "accept_invite" (somebody accepted) and "invite-accept" (the button of an invitation) are a word apart.
_TEMPLATES = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
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
    )
)
_FOOTERS = (
    (Kind.REMINDER, re.compile(r"^(guest )?invitation reminders?( e-?mails?)?$", re.IGNORECASE)),
    (Kind.INVITATION, re.compile(r"^(guest )?invitations?$", re.IGNORECASE)),
    (Kind.ACCEPTED, re.compile(r"^accepted invitations?$", re.IGNORECASE)),
    (Kind.MESSAGE, re.compile(r"^(messages digest|inmail|message notification)s?$", re.IGNORECASE)),
    (Kind.SUGGESTION, re.compile(r"^people you may know( notification)?s?$", re.IGNORECASE)),
    (Kind.DIGEST, re.compile(r"^(activity you missed|invitations? digest|pending invitations?)$", re.IGNORECASE)),
)
_FOOTER = re.compile(r"You are receiving (?P<kind>[^.\n]{3,60}?) e-?mails?\b", re.IGNORECASE)
_SUBJECTS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (Kind.SUGGESTION, r"do you know .*\?|add .+ - .+|.+, meet .+|você conhece .*\?|.*people you may know.*"),
        (Kind.ACCEPTED, r".*accepted your (invitation|request).*|see .+ connections, experience,? and more.*"),
        (Kind.ACCEPTED, r".*start a conversation with your new connection.*|i've accepted your request.*"),
        (Kind.ACCEPTED, r"you have \d+ new connections?"),
        (Kind.DIGEST, r"you have (an|\d+)( new| pending)? invitations?.*|.*see what your network has been up to.*"),
        (Kind.REMINDER, r".+'s invitation is (still )?(a?waiting)( for)? your response.*|reminder: .*"),
        (Kind.REMINDER, r".+ is (still )?waiting for your response|.+ è in attesa della tua risposta"),
        (Kind.REMINDER, r"i've sent you a connection request"),
        (Kind.MESSAGE, r".+ just messaged you|.+ sent (you )?(a )?new messages?"),
        (Kind.INVITATION, r"i want to connect|voglio collegarmi|.+, please add me to your linkedin network"),
        (Kind.INVITATION, r"join my network on linkedin|invitation (to connect on|à se connecter sur) linkedin"),
        (Kind.INVITATION, r"invitación a conectar en linkedin|invito a collegarsi su linkedin"),
        (Kind.INVITATION, r"undangan untuk terhubung di linkedin"),
    )
)

_TOKEN = re.compile(r"(?:[?&]ek=|trk=eml-|page(?:%3A|:)email_)(?P<token>[A-Za-z0-9_]+)", re.IGNORECASE)
_LINK = re.compile(r"^(?P<label>.*?):?\s*(?P<url>https?://\S+)$")
_OLD_ID = re.compile(r"\bI\d{6,}_\d+\b")
_NEW_ID = re.compile(r"invitationId[=/](?P<id>\d{6,20})")
_RULE = re.compile(r"^[.\-_=–—]{4,}$")
_IN_COMMON = re.compile(
    r"^\d+\+? .{0,40}\b(in common|gemeinsam\w*|en commun|en común|in comune|em comum|gemeen|mutual|sama)\b.*$",
    re.IGNORECASE,
)
_CHROME = re.compile(
    r"has indicated you are|has invited you to LinkedIn|requested to add you as|would like to connect on LinkedIn"
    r"|invited you to connect|waiting to connect with you|^LinkedIn$|^Invitation reminders:?$"
    r"|(is|are) (still )?waiting for your response"
    r"|sent you an invitation to become part|would like to join your network|è in attesa della tua risposta",
    re.IGNORECASE,
)
_FRAME = re.compile(
    r"This e-?mail was (intended for|sent to)|This message was sent to|You are receiving|Unsubscribe"
    r"|LinkedIn Corporation|LinkedIn (will use|utilizará|utilisera|userà|akan|verwendet|gebruikt|usará)",
    re.IGNORECASE,
)
_GREETING = re.compile(r"^\S+( \S+){0,2}\s*[,:!]$")
_SENDERS_ITSELF = re.compile(r"^linkedin\b", re.IGNORECASE)
_SUBJECT_NAME = re.compile(r"^(?P<name>.+?)(?:['’]s invitation| is (?:still )?waiting)", re.IGNORECASE)
_NAMED_LINE = re.compile(r"^From (?P<name>.{2,80}?) \((?P<headline>.+)\)$")
_AT = re.compile(
    r"(?:^|[\s,|])(?:at|@|bei|beim|from|chez|en|na|no|nella?|presso|bij|aan|à la|à l['’]|à|al|all['’]|au|aux) ?"
    r"(?<=[ '’@])(?P<name>.+)$"
)
_END_OF_ORGANISATION = re.compile(r"\s*[|·•,;/–—]|\s+-\s+|\s+\(|\s+(?:and|und|et|y|e|en)\s+(?=[a-z])")
_ORGANISATION = re.compile(
    r"\b(Universi\w+|College|Hochschule|Institut\w*|Akademi\w*|Academy|École|Escuela|Faculdade|Polite[ck]\w+"
    r"|GmbH|AG|Inc|Ltd|LLC|PLC|S\.?A|B\.?V|AB|Oy|A/S)\b"
)
_ORGANISATION_CJK = re.compile(r"[^\s,|]+(?:大学|大學|公司|会社|學院|学院|研究所|대학교)")
_NOT_NOW = re.compile(
    r"\b(ex|former|formerly|ehemalig\w*|ancien\w*|vormals|previously|past|retired|alumn\w+|absolvent\w*"
    r"|graduate (of|from))\b",
    re.IGNORECASE,
)
_LANGUAGES = (
    ("es", r"Este correo|Has recibido|darte de baja"),
    ("fr", r"Cet e-?mail|Vous recevez|Vous avez reçu"),
    ("it", r"Questa e-?mail|Ricevi|Hai ricevuto"),
    ("id", r"Email ini|Anda mendapatkan|Harap konfirmasi"),
    ("de", r"Diese E-?Mail|Sie erhalten|Sie haben eine Einladung"),
    ("nl", r"Deze e-?mail|U ontvangt|Je ontvangt"),
    ("pt", r"Este e-?mail|Você (recebeu|está recebendo)"),
    ("en", r"This e-?mail|You are receiving|You received|sent you an invitation"),
)


def parse(mail: Mail) -> Notification | None:
    """What a LinkedIn mail says; Unreadable for an invitation of a form nobody has described."""
    if not comes_from(mail, "linkedin.com"):
        return None
    lines = list(_text_lines(mail.text)) or lines_of(mail.html)
    kind = _kind(mail, lines)
    language = _language(lines)
    if kind not in (Kind.INVITATION, Kind.REMINDER):
        return Notification(NAME, kind, language=language, limit=_LIMIT)
    layout = _layout(mail, lines)
    invitation = _invitation(lines)
    return Notification(
        network=NAME,
        kind=kind,
        inviter=_inviter(mail, layout, lines),
        note=layout.note or None,
        language=language,
        invitation=invitation,
        sent_at=_made_at(invitation),
        given_name=layout.given_name,
        limit=_LIMIT,
    )


# The kind


def _kind(mail: Mail, lines: Sequence[Line]) -> Kind:
    subject = mail.subject.replace("’", "'").strip()
    by_subject = next((kind for kind, form in _SUBJECTS if form.fullmatch(subject)), None)
    by_template = _by_template(mail, lines)
    if by_template is Kind.INVITATION and by_subject is Kind.REMINDER:
        return Kind.REMINDER
    return by_template or _by_footer(lines) or by_subject or _by_structure(mail, lines)


def _by_template(mail: Mail, lines: Sequence[Line]) -> Kind | None:
    tokens = [value.partition("/")[0].strip() for value in mail.header("X-LinkedIn-Template")]
    tokens += [found["token"] for line in lines if line.url for found in _TOKEN.finditer(line.url)]
    for token in tokens:
        for kind, pattern in _TEMPLATES:
            if pattern.fullmatch(token):
                return kind
    return Kind.OTHER if tokens[:1] and mail.header("X-LinkedIn-Template") else None


def _by_footer(lines: Sequence[Line]) -> Kind | None:
    for line in lines:
        if found := _FOOTER.search(line.text):
            named = found["kind"].strip()
            return next((kind for kind, pattern in _FOOTERS if pattern.fullmatch(named)), Kind.OTHER)
    return None


def _by_structure(mail: Mail, lines: Sequence[Line]) -> Kind:
    urls = [line.url for line in lines if line.url]
    if any("/send-invite/" in url for url in urls):
        return Kind.SUGGESTION
    if not any(_accepts(url) for url in urls):
        return Kind.OTHER
    made = _made_at(_invitation(lines))
    if made and mail.date and mail.date - made > timedelta(days=1):
        return Kind.REMINDER
    return Kind.INVITATION


def _accepts(url: str) -> bool:
    path = urlsplit(url).path
    return (
        "/invite-accept" in path
        or "/accept-invitation" in path
        or re.search(r"/e/.+/(blk|isd)/", path) is not None
        or "guest-invite-cta" in url
        or ("/e/" in path and path.endswith("/svi/"))
    )


def _leads_to_profile(url: str) -> bool:
    return "ProfileView" in url or "/comm/in/" in url or "/profile/view?" in url or linkedin_profile(url) is not None


# The layout


@dataclass(frozen=True, slots=True)
class _Layout:
    """The inviter's block and the note beside it."""

    name: str | None
    headline: str | None
    note: str
    given_name: str | None = None
    profile_url: str | None = None


def _layout(mail: Mail, lines: Sequence[Line]) -> _Layout:
    display = _display_name(mail)
    named = next((found for line in lines if (found := _NAMED_LINE.match(line.text))), None)
    if named and not any(line.url and _accepts(line.url) for line in lines):
        return _Layout(named["name"], named["headline"], "")
    if mail.text.strip():
        return _from_text(lines, display)
    return _from_html(lines, display)


def _text_lines(text: str) -> Iterator[Line]:
    """The lines of a text part, blank ones included; a link on a line of its own belongs to the line above."""
    label = ""
    for raw in text.split("\n"):
        line = raw.strip()
        found = _LINK.match(line)
        if found and found["label"] == "" and label:
            yield Line(label, found["url"])
            label = ""
            continue
        if label:
            yield Line(label)
            label = ""
        if found:
            yield Line(found["label"].rstrip(": "), found["url"])
        elif re.match(r"(Accept|View) invitation from ", line):
            label = line
        elif line or text.strip():
            yield Line(line)
    if label:
        yield Line(label)


def _is_button(line: Line) -> bool:
    """An accept or profile link of the mail itself: a link inside a note carries none of LinkedIn's tokens."""
    if line.url is None or not (_accepts(line.url) or _leads_to_profile(line.url)):
        return False
    url = line.url
    return "/comm/" in url or "/e/" in url or "trk=" in url or "midToken" in url or "authType=" in url


def _from_text(lines: Sequence[Line], display: str | None) -> _Layout:
    first = next((n for n, line in enumerate(lines) if _is_button(line)), len(lines))
    last = next((n for n in range(len(lines) - 1, -1, -1) if _is_button(lines[n])), first)
    before = _paragraphs(lines[:first])
    # Until 2012 the buttons were words over a link, and a name alone below the note was its signature.
    labelled = first < len(lines) and " invitation from " in lines[first].text
    block, rest = _split_block(before, display, has_buttons=first < len(lines) and not labelled)
    rest = [paragraph for paragraph in rest if not _is_chrome(paragraph, display)]
    if not rest and block is None:
        after = _after_buttons(lines[last + 1 :])
        rest = [paragraph for paragraph in after if not _is_chrome(paragraph, display)]
    rest, given = _unsigned(rest, display) if block is None else (rest, None)
    name, headline = _name_and_headline(block)
    profile = next(
        (found for line in lines[first : last + 1] if line.url and (found := linkedin_profile(line.url))), None
    )
    return _Layout(name or display, headline, _joined(rest), _given(given, name or display), profile)


def _from_html(lines: Sequence[Line], display: str | None) -> _Layout:
    accept = next((n for n, line in enumerate(lines) if line.url and _accepts(line.url)), len(lines))
    body = [line for line in lines[:accept] if not _is_recipient(line)]
    at = next(
        (n for n, line in enumerate(body) if line.url and _leads_to_profile(line.url) and "-header-" not in line.url),
        None,
    )
    if at is None:
        at = next((n for n, line in enumerate(body) if display and line.text == display), None)
    if at is None:
        return _guest_html([line.text for line in body], display)
    block = [line.text for line in body[at:]]
    note = [line.text for line in body[:at] if not _is_chrome([line.text], display)]
    url = body[at].url
    name, headline = _name_and_headline(block)
    return _Layout(
        name, headline, "\n".join(note), None, linkedin_profile(url) if url else _first_profile(lines[accept:])
    )


def _unsigned(paragraphs: list[list[str]], display: str | None) -> tuple[list[list[str]], str | None]:
    """A guest's note without the network's "Hi," above and "- Ada" below; the name that stood there."""
    signed = re.fullmatch(r"[-–] ?(?P<name>.*)", paragraphs[-1][-1]) if paragraphs else None
    if signed is None or len(paragraphs[-1]) > 1:
        return paragraphs, None
    name, rest = signed["name"].strip(), paragraphs[:-1]
    if len(rest) > 1 and len(rest[0]) == 1 and _GREETING.match(rest[0][0]) and name != display:
        rest = rest[1:]
    return rest, name or None


def _guest_html(texts: list[str], display: str | None) -> _Layout:
    paragraphs = [[text] for text in texts if not _is_chrome([text], display)]
    note, given = _unsigned(paragraphs, display)
    return _Layout(display, None, "\n".join(text for (text,) in note), _given(given, display))


def _first_profile(lines: Sequence[Line]) -> str | None:
    return next((found for line in lines if line.url and (found := linkedin_profile(line.url))), None)


def _is_recipient(line: Line) -> bool:
    # Name, photo and profile of the recipient come first; many have taken them for the inviter's.
    return line.url is not None and re.search(r"-header-\d+-|-header-profile", unquote(line.url)) is not None


def _paragraphs(lines: Sequence[Line]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if _RULE.match(line.text):
            found.append([])
        elif line.text or line.url:
            found[-1].append(f"{line.text}: {line.url}" if line.url else line.text)
        else:
            found.append([])
    return [paragraph for paragraph in found if paragraph]


def _split_block(
    paragraphs: list[list[str]], display: str | None, *, has_buttons: bool
) -> tuple[list[str] | None, list[list[str]]]:
    """The paragraph that is the inviter's block, and the others."""
    if display:
        for number in range(len(paragraphs) - 1, -1, -1):
            block = [plain(line) for line in paragraphs[number]]
            alone = len(block) == 1
            if block[0] == display and (not alone or (number == len(paragraphs) - 1 and has_buttons)):
                return block, paragraphs[:number] + paragraphs[number + 1 :]
        return None, paragraphs
    if has_buttons and len(paragraphs) > 1 and len(paragraphs[-1]) <= 4 and not paragraphs[-1][0].startswith("-"):
        return paragraphs[-1], paragraphs[:-1]
    return None, paragraphs


def _after_buttons(lines: Sequence[Line]) -> list[list[str]]:
    """The note of a guest's reminder, which stands below the buttons."""
    kept: list[list[str]] = []
    for paragraph in _paragraphs(lines):
        text = " ".join(paragraph)
        if _FRAME.search(text) or "http" in text:
            break
        if not _CHROME.search(text):
            kept.append(paragraph)
    return kept


def _is_chrome(paragraph: list[str], display: str | None) -> bool:
    if len(paragraph) > 1:
        return False
    text = paragraph[0]
    if _GREETING.match(text) and "@" not in text and text.lower().startswith(("hi ", "hai ")) and text[3:4].islower():
        return True
    named = display is not None and (text.startswith((display, display.split()[0])))
    return _CHROME.search(text) is not None and (
        named or text.startswith(("LinkedIn", "Members", "Someone", "Invitation"))
    )


def _joined(paragraphs: list[list[str]]) -> str:
    return "\n\n".join("\n".join(paragraph) for paragraph in paragraphs)


def _name_and_headline(block: list[str] | None) -> tuple[str | None, str | None]:
    if not block:
        return None, None
    headline = block[1] if len(block) > 1 and not _IN_COMMON.match(block[1]) else None
    return block[0], headline


def _given(signed: str | None, name: str | None) -> str | None:
    return signed if signed and name and signed != name and name.startswith(signed) else None


# The inviter


def _display_name(mail: Mail) -> str | None:
    name = re.sub(r"\s+via LinkedIn$", "", mail.from_[0].name).strip()
    return None if not name or _SENDERS_ITSELF.match(name) else name


def _inviter(mail: Mail, layout: _Layout, lines: Sequence[Line]) -> Person:
    found = _SUBJECT_NAME.match(mail.subject)
    name = layout.name or (found["name"] if found else None)
    if name is None and not any(line.url and _accepts(line.url) for line in lines):
        raise Unreadable("an invitation in a form I do not know: nobody is named in it", network=NAME)
    headline = layout.headline
    return Person(
        name=name,
        headline=headline,
        company=company_of(headline) if headline else None,
        profile_url=layout.profile_url,
        address=_own_address(mail),
    )


def _own_address(mail: Mail) -> str | None:
    """The inviter's address, which stood in Reply-To while members wrote as member@; a later one is nobody's."""
    if mail.from_[0].address != "member@linkedin.com" or len(mail.reply_to) != 1:
        return None
    box = mail.reply_to[0]
    return None if is_within(box.domain, "linkedin.com") else box.address


def company_of(headline: str) -> str | None:
    """The organisation a headline names as the present one."""
    parts = [part for part in re.split(r"\s*[|·•]\s*", headline) if part]
    for part in parts:
        found = _AT.search(part)
        if found and not _NOT_NOW.search(part[: found.start()]):
            name = _END_OF_ORGANISATION.split(found["name"], maxsplit=1)[0].strip()
            if name and not name[0].islower():
                return name
    return _organisation_named([piece.strip() for part in parts for piece in part.split(",")])


def _organisation_named(pieces: list[str]) -> str | None:
    """An organisation that stands for itself ("Lecturer, Example University"), the last and widest of several."""
    for piece in reversed(pieces):
        if found := _ORGANISATION_CJK.search(piece):
            return found[0]
    # The first piece is what the person is, even if it is "College Librarian".
    for piece in reversed(pieces[1:]):
        if _ORGANISATION.search(piece) and not _NOT_NOW.search(piece):
            return piece
    return None


def _invitation(lines: Sequence[Line]) -> str | None:
    urls = [unquote(line.url) for line in lines if line.url and _accepts(line.url)]
    for pattern in (_NEW_ID, _OLD_ID):
        for url in urls:
            if found := pattern.search(url):
                return found["id"] if pattern is _NEW_ID else found[0]
    return None


def _made_at(invitation: str | None) -> datetime | None:
    """Since 2015 the upper bits of the id are the millisecond in which the invitation was made."""
    if invitation is None or not invitation.isdecimal() or len(invitation) < 19:
        return None
    return datetime.fromtimestamp((int(invitation) >> 22) / 1000, UTC)


def _language(lines: Sequence[Line]) -> str | None:
    whole = "\n".join(line.text for line in lines)
    return next((code for code, words in _LANGUAGES if re.search(words, whole)), None)
