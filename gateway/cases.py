"""Which case a notification belongs to: the identity is the person and the invitation, never the From address."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.model import Kind, Notification

INVITES = frozenset({Kind.INVITATION, Kind.REMINDER})


@dataclass(frozen=True, slots=True)
class Identity:
    """By what an invitation and its reminders can be told to be the same; each part may be missing."""

    network: str
    invitation: str | None
    profile: str | None
    name: str | None

    @property
    def person(self) -> str | None:
        """The inviter across invitations: the profile where the mail has it, else the bare name."""
        return self.profile or self.name

    @property
    def title(self) -> str:
        """A name for the case that any mail of the same person gives by itself."""
        return self.person or self.invitation or f"{self.network}:unknown"


@dataclass(frozen=True, slots=True)
class KnownCase:
    """What there is to compare with: a case's name, its invitation id, and whether a reminder opened it."""

    name: str
    invitation: str | None
    opened_by: Kind


def identify(notification: Notification) -> Identity:
    """The parts of an identity a notification gives."""
    network, inviter = notification.network, notification.inviter
    url = inviter.profile_url if inviter else None
    name = inviter.name if inviter else None
    return Identity(
        network=network,
        invitation=f"{network}:{notification.invitation}" if notification.invitation else None,
        profile=f"{network}:{url.removeprefix('https://www.linkedin.com/')}" if url else None,
        name=f"{network}:name:{' '.join(unicodedata.normalize('NFKC', name).casefold().split())}" if name else None,
    )


def same_case(
    identity: Identity,
    kind: Kind,
    by_invitation: Callable[[str], KnownCase | None],
    by_person: Callable[[str], KnownCase | None],
) -> KnownCase | None:
    """The case this mail continues, None when it opens a new one.

    The network's own id decides where both have it. Without it a reminder continues the latest case of
    the person, and an invitation only one that its own reminder opened (mails may arrive out of order):
    a second invitation without an id is a second case, which the policy then sees as a repeat.
    """
    if identity.invitation and (found := by_invitation(identity.invitation)):
        return found
    latest = by_person(identity.person) if identity.person else None
    if latest is None or (latest.invitation and identity.invitation):
        return None
    continues = kind is Kind.REMINDER or latest.opened_by is Kind.REMINDER
    return latest if continues else None


@dataclass(slots=True)
class Cases:
    """The cases of one reading (explain, replay): the journal's rule without the journal."""

    _by_invitation: dict[str, KnownCase] = field(default_factory=dict)
    _by_person: dict[str, KnownCase] = field(default_factory=dict)
    _declined: dict[str, int] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def find(self, notification: Notification) -> KnownCase | None:
        identity = identify(notification)
        return same_case(identity, notification.kind, self._by_invitation.get, self._by_person.get)

    def name(self, notification: Notification) -> str:
        """The name of the case the notification belongs to, without opening it."""
        found = self.find(notification)
        if found:
            return found.name
        identity = identify(notification)
        if identity.title not in self._names:
            return identity.title
        return identity.invitation or f"{identity.title}#{len(self._names) + 1}"

    def earlier(self, notification: Notification) -> int:
        """How many other invitations of this person were declined already."""
        person = identify(notification).person
        own = self.find(notification)
        declined = self._declined.get(person or "", 0)
        return max(0, declined - 1) if own and declined else declined

    def remember(self, notification: Notification, *, declined: bool) -> None:
        """Open or continue the case of a judged notification."""
        identity, found = identify(notification), self.find(notification)
        if declined and identity.person and not found:
            self._declined[identity.person] = self._declined.get(identity.person, 0) + 1
        name = self.name(notification)
        invitation = (found.invitation if found else None) or identity.invitation
        case = KnownCase(name, invitation, found.opened_by if found else notification.kind)
        self._names.add(name)
        if invitation:
            self._by_invitation[invitation] = case
        for person in (identity.profile, identity.name):
            if person:
                self._by_person[person] = case
