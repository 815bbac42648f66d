"""The nouns of rsvpd: frozen values that pass from step to step and never do anything.

Everything here is plain data, so that a judgement can be computed, compared, stored and
explained without a clock, a socket or a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a network's mail is, not what it looks like."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    ACCEPTED = "accepted"
    MESSAGE = "message"
    DIGEST = "digest"
    SUGGESTION = "suggestion"
    OTHER = "other"


class Verdict(StrEnum):
    """What the owner's policy makes of a mail."""

    ACCEPT = "accept-candidate"
    DECLINE = "decline"
    HUMAN = "needs-human"
    IGNORE = "ignore"


class Known(StrEnum):
    """Whether the owner and the inviter ever interacted, as far as the records tell."""

    YES = "yes"
    MAYBE = "maybe"
    NO = "no"


class Signal(StrEnum):
    """What a personal note claims; whether it is true is the dossier's business."""

    MET = "met"
    SHARED = "shared"
    REASON = "reason"
    TOPIC = "topic"
    REFERRAL = "referral"
    INTRODUCTION = "introduction"
    PITCH = "pitch"


class Channel(StrEnum):
    """The rung of the ladder an answer goes down."""

    REPLY_TO = "reply-to"
    ADDRESS = "address"
    PASTE = "paste"
    NONE = "none"


class Authentic(StrEnum):
    """What can be proved about a mail's origin."""

    PASS = "pass"
    FAIL = "fail"
    NONE = "none"


class NoteKind(StrEnum):
    """A network's stock sentence (or nothing at all), or words of the inviter's own."""

    DEFAULT = "default"
    PERSONAL = "personal"


class State(StrEnum):
    """Where an entry of the journal stands; docs/safety.md says what a crash in each state means."""

    NEW = "new"  # stored, not judged yet
    HELD = "held"  # judged; the answer waits for its hold to end, the owner may still cancel it
    DUE = "due"  # an answer may be sent now, or again after a temporary failure
    SENDING = "sending"  # claimed; nothing final has been said to the SMTP server
    DOT = "dot"  # the final dot may be on the wire: from here on never sent again
    SENT = "sent"
    REFUSED = "refused"  # the server said no for good
    UNCERTAIN = "uncertain"  # nobody can tell whether the server took it; the owner decides
    ASKED = "asked"  # a command of the owner's that came by mail and is not carried out yet
    CLOSED = "closed"  # nothing to send: ignored, quiet, drafted, parked for the owner
    UNREADABLE = "unreadable"  # kept and shown; malformed, or a known network's unknown layout


WAITING = (State.HELD, State.DUE)  # to go out
PARKED = (State.UNREADABLE, State.UNCERTAIN, State.REFUSED)  # until the owner sees to it


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An RFC 5322 mailbox: display name ("" where there is none) and address, domain in lower case."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as read from its bytes; every text decoded, unfolded and free of control characters."""

    raw: bytes = field(repr=False)
    digest: str  # SHA-256 of the raw bytes, hex
    message_id: str | None  # "<...>", only when its syntax is safe to put into a header or a search
    date: datetime | None  # UTC
    subject: str
    from_: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]  # not Cc, which anybody may add to a signed mail
    reply_to: tuple[Mailbox, ...]
    headers: tuple[tuple[str, str], ...] = field(repr=False)  # (name, unfolded value) in order of appearance
    text: str = field(repr=False)  # the first text/plain body of the mail itself, "\n" line ends
    html: str = field(repr=False)  # the first text/html body of the mail itself
    content_types: tuple[str, ...]  # of every part, in order, lower case
    defects: tuple[str, ...]  # what was malformed in a place that decides; such a mail is never answered

    def header(self, name: str) -> tuple[str, ...]:
        """All values of a header field, topmost first."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key.lower() == wanted)


@dataclass(frozen=True, slots=True)
class Person:
    """The inviter as the notification tells it; None where it does not say."""

    name: str | None = None
    headline: str | None = None
    company: str | None = None
    profile_url: str | None = None  # clean: no tokens, no tracking
    address: str | None = None  # only an address the network itself gave as the inviter's


@dataclass(frozen=True, slots=True)
class Notification:
    """What a network's mail says."""

    network: str
    kind: Kind
    inviter: Person | None = None  # None for kinds that invite to nothing
    note: str | None = None  # as written, greeting and signature included; None where there is none
    language: str | None = None  # of the words around the note (the recipient's setting), ISO 639-1
    invitation: str | None = None  # the network's own id of the invitation, the same in its reminders
    sent_at: datetime | None = None  # when the invitation (not this mail) was made, UTC
    given_name: str | None = None  # only where the notification itself tells it
    accepted_by: str | None = None  # of an "accepted" notice: the full name of the new connection
    limit: int = 200  # longest text the network lets its member send as an answer, characters


@dataclass(frozen=True, slots=True)
class Provenance:
    """Whether the mail is the network's, and why we think so."""

    authentic: Authentic
    why: str
    reply_to_trusted: bool = False  # DESIGN's four conditions all hold
    reply_to_why: str = ""
    sent_to_owner: bool = True  # To names an address of the owner's, or the owner told none


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words in a note and the signal they gave."""

    signal: Signal
    words: str


@dataclass(frozen=True, slots=True)
class Note:
    """What the inviter wrote, read as a person would."""

    kind: NoteKind
    text: str | None  # the bare stock sentence, or all of the personal note
    evidence: tuple[Evidence, ...] = ()
    language: str | None = None  # of the note, ISO 639-1; None where there is no note
    read: bool = True  # False: no phrasebook for this language, so nothing is claimed about it
    referee: str | None = None  # the third person a referral names
    place: str | None = None  # where or on what occasion the note says they met

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Each signal once, in the order of the definition."""
        given = {item.signal for item in self.evidence}
        return tuple(signal for signal in Signal if signal in given)


class Link(StrEnum):
    """How a source knows somebody; only the first four are interaction outside the network."""

    CONTACT = "contact"  # stands in the address book
    WROTE_TO = "wrote-to"  # the owner wrote to them
    MET = "met"  # organiser or attendee of an event
    ANSWERED = "answered"  # answered a reply of ours
    MENTIONED = "mentioned"  # named in the text of an event
    WROTE_ME = "wrote-me"  # wrote to the owner
    CONNECTION = "connection"  # the network's own list of connections


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """What one evidence source knows of somebody, summed up over all its records."""

    source: str  # as the owner knows it: "contacts.vcf", "Sent", "calendar.ics"
    link: Link
    name: str | None = None
    address: str | None = None
    other_addresses: tuple[str, ...] = ()  # further current addresses of the same record
    nicknames: tuple[str, ...] = ()
    company: str | None = None
    profile_url: str | None = None
    count: int = 1  # how often
    first: datetime | None = None
    last: datetime | None = None
    about: str = ""  # subject of the latest mail, title of the latest event


@dataclass(frozen=True, slots=True)
class Match:
    """An acquaintance taken for the inviter: how sure, and a line the owner can check."""

    known: Known
    acquaintance: Acquaintance
    why: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Something the note says that the records can speak to."""

    what: str  # "met: Workshop in Lyon", "referred by: Ada Miller"
    outcome: str  # "verified", "unverified" or "contradicted"
    why: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """What the owner's records say about the inviter."""

    known: Known
    why: str
    matches: tuple[Match, ...] = ()
    claims: tuple[Claim, ...] = ()
    address: str | None = None  # the one address to write to, if exactly one person with exactly one matches
    recommended: bool = False  # a mail of an acquaintance recommends the inviter by name
    announced: bool = False  # the inviter announced the invitation to the owner by mail


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a decision may look at."""

    notification: Notification
    provenance: Provenance
    note: Note
    dossier: Dossier
    earlier: int = 0  # other invitations of the same person that were already declined
    malformed: tuple[str, ...] = ()  # defects of the mail in places that decide


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, the rule that gave it and why, in sentences a person understands."""

    verdict: Verdict
    rule: str
    because: tuple[str, ...]
    template: str | None = None  # None: no answer (a quiet decline, or nothing to say)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in the owner's words and the way it would take."""

    template: str
    language: str
    channel: Channel
    to: str | None
    subject: str
    body: str
    short: str  # to paste into the network, within its limit


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything judge() makes of a mail; findings are None for a mail of no network."""

    case: str
    decision: Decision
    findings: Findings | None = None
    reply: Reply | None = None
    provenance: Provenance | None = None  # of a mail of no network; else it stands in the findings


@dataclass(frozen=True, slots=True)
class Case:
    """A person's invitation on a network and where it stands."""

    id: int
    name: str  # "c17"
    network: str
    inviter: Person
    verdict: Verdict
    decided_by: str  # "policy", "owner" or "answer", the inviter's
    opened: datetime
    changed: datetime


class Scope(StrEnum):
    """Of whom a standing word speaks."""

    PERSON = "person"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class Standing:
    """A word of the owner's that holds from now on: always, or never, this person or this company."""

    scope: Scope
    always: bool  # False: never
    name: str  # as a person reads it
    key: str  # of a person: its identity in the cases; of a company: its name
    said: datetime
    case: str  # "c17", in which it was said

    @property
    def word(self) -> str:
        return "always" if self.always else "never"


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """A link in the summary by which the owner answers an item of it."""

    verb: str  # as a person reads it: "decline quietly"
    href: str  # "mailto:..."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mail lies on the IMAP server."""

    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Landed:
    """The numbers that mails got in a folder where we put them, one after the other and no others between."""

    uidvalidity: int
    uids: range


OWNER_RULE = "owner"  # the rule of a decision that is the owner's own
CONTINUES = "continues "  # how the reason of an entry begins that only continued a case


@dataclass(frozen=True, slots=True)
class Entry:
    """A mail's row in the journal."""

    id: int
    key: str
    state: State
    taken_in: datetime
    tries: int
    message_id: str | None = None
    case_id: int | None = None
    case: str | None = None  # "c17"
    verdict: Verdict | None = None  # of the case as it stands now, whoever decided it
    dealt_with: bool = False  # the owner decided the case since: nothing that followed from the mail is left to do
    judgement: Mapping[str, Any] | None = field(default=None, repr=False)  # as `explain --json` prints it
    policy: str = ""  # fingerprint of the policy it was judged under
    reply: Reply | None = None
    letter_id: str | None = None  # Message-ID of our answer
    not_before: datetime | None = None
    settled: datetime | None = None
    sends: int = 0
    claimed: datetime | None = None  # when the answer last went towards the wire
    why: str = ""
    place: Place | None = None
    filed: str | None = None

    @property
    def continues(self) -> bool:
        """Whether it brought nothing new to a case that was open."""
        return self.why.startswith(CONTINUES)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What follows from a judgement: the state of its entry and, where an answer may go out, when and to whom."""

    state: State
    why: str = ""
    not_before: datetime | None = None
    recipient: str | None = None  # the address
    letter_id: str | None = None
    policy: str = ""  # fingerprint of the policy it rests on
    answers: str | None = None  # Message-ID of the mail itself


@dataclass(frozen=True, slots=True)
class Limits:
    """How often the owner lets answers go out."""

    window: timedelta
    per_hour: int
    per_day: int
    per_domain: int
