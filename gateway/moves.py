"""The owner's moves: putting a mail into another of our folders is the owner's decision on its case.

A look compares where mails lie with where the journal has them. It asks each folder for its next UID, and only where
that has grown for the Message-IDs of what is new; so it does not matter whether a mail was moved, copied and deleted,
relabelled, or numbered anew. A folder is read again from the first mail that could not be decided yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.config import Config
from gateway.deeds import turn_down
from gateway.errors import DnsAway
from gateway.events import LogEvent
from gateway.filing import Filing
from gateway.imap import Session
from gateway.journal import Journal
from gateway.mail import LARGEST
from gateway.model import Case, Entry, Place, State, Verdict
from gateway.networks import criteria
from gateway.pipeline import Owner, mail_key, process, take_in

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A mail met in a folder of ours in which the journal does not have it."""

    verdict: Verdict  # the folder's
    folder: str
    uid: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Look:
    """What a folder was found to hold, up to a UID."""

    folder: str
    uidvalidity: int
    uid: int
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Moves:
    """Follows what an owner moves."""

    config: Config
    owner: Owner
    journal: Journal
    filing: Filing
    clock: Callable[[], datetime]

    def follow(self, session: Session) -> dict[str, tuple[int, int]]:
        """Apply what the owner moved since the last look, each move once; UIDVALIDITY and UIDNEXT of the folders."""
        if not self.filing.touches:
            return {}
        cursors = self.journal.cursors()
        found = session.statuses(self.filing.folders.values())
        looks = [
            self._look(session, verdict, folder, cursors.get(folder, (0, 0)))
            for verdict, folder in self.filing.folders.items()
            if self._news(folder, found[folder], cursors.get(folder, (0, 0)))
        ]
        sightings = [sighting for look in looks for sighting in look.sightings]
        where = self.filing.places(session, [sighting.entry for sighting in sightings])
        open_ = [met for met in sightings if not self._settled(session, met, where.get(met.entry.message_id, set()))]
        for look in looks:
            last = min((met.uid - 1 for met in open_ if met.folder == look.folder), default=look.uid)
            self.journal.advance(look.folder, look.uidvalidity, last)
        return found

    # Looking

    def _news(self, folder: str, found: tuple[int, int], cursor: tuple[int, int]) -> bool:
        uidvalidity, uidnext = found
        known, last = cursor
        if uidnext == 1:  # nothing ever lay there
            if uidvalidity != known:
                self.journal.advance(folder, uidvalidity, 0)
            return False
        return uidvalidity != known or uidnext == 0 or uidnext - 1 > last

    def _look(self, session: Session, verdict: Verdict, folder: str, cursor: tuple[int, int]) -> Look:
        selected = session.select(folder)
        known, last = cursor
        if selected.uidvalidity != known:
            last = 0
        ids = session.message_ids(since=last + 1)
        first = {message_id: uid for uid, message_id in sorted(ids.items(), reverse=True)}
        entries = self.journal.whereabouts.elsewhere(folder, first)
        met = [Sighting(verdict, folder, first[entry.message_id], entry) for entry in entries if entry.message_id]
        # What lies in a folder when it is first seen was put there before anything it says was agreed.
        if selected.uidvalidity == known:
            strange = set(first.values()) - {first[message_id] for message_id in self.journal.whereabouts.known(first)}
            met += self._brought(session, verdict, Place(folder, known, last), strange)
        return Look(folder, selected.uidvalidity, max(last, selected.uidnext - 1, *ids), tuple(met))

    def _brought(self, session: Session, verdict: Verdict, since: Place, strange: set[int]) -> Iterator[Sighting]:
        """Take in what the owner brought from elsewhere, if a network sent it, and judge it as any other mail."""
        found = [uid for uid in session.look(criteria(), since_uid=since.uid + 1) if uid in strange]
        for mail in session.fetch(found, largest=LARGEST):
            now = self.clock()
            take_in(mail.raw, replace(since, uid=mail.uid), self.journal, now)
            entry = self.journal.entry_of(mail_key(mail.raw))
            if entry.state is State.NEW:
                process([entry], self.owner, self.journal, now)
            yield Sighting(verdict, since.folder, mail.uid, self.journal.entry(entry.id))

    # Deciding

    def _settled(self, session: Session, met: Sighting, where: set[str]) -> bool:
        """Do what the owner wants with a mail; False while that cannot be told."""
        entry = self.journal.entry(met.entry.id)  # as the moves before this one left it
        if entry.state is State.NEW:
            return False
        if len(where) > 1:
            self.journal.whereabouts.undecided(entry, f"it lies in {' and in '.join(sorted(where))}", self.clock())
            return False
        if where != {met.folder}:
            return True  # gone on, or away
        try:
            if not self._is_ours(entry, met):
                self._heed(entry, met)
        except DnsAway as exc:
            log.warning("%s not decided yet: %s", entry.key[:8], exc, extra=LogEvent.POSTPONED.of(entry=entry.key[:8]))
            return False
        self.filing.left_in(session, self.journal.entry(entry.id), met.folder)
        return True

    def _is_ours(self, entry: Entry, met: Sighting) -> bool:
        """Whether we put the mail there ourselves and did not come to write it down."""
        return self.journal.whereabouts.bound_for(entry) == met.folder

    def _heed(self, entry: Entry, met: Sighting) -> None:
        answer_in = None if entry.case else self.journal.conversation.answered_by(entry)
        case = self.journal.case(entry.case or answer_in or "")
        if case is None:
            return
        what = "their answer moved" if answer_in else "moved"
        why = f"{what} from {entry.filed or self.config.folders.inbox} to {met.folder}"
        brought = entry.filed is None and entry.place is not None and entry.place.folder == met.folder
        if case.verdict is not met.verdict:
            # Who answered has a letter already; and what was brought may be years old.
            self._decide(case, met.verdict, why, quietly=brought or answer_in is not None)
        if answer_in and met.verdict is Verdict.DECLINE:
            self.journal.conversation.offended(case, entry, why, self.clock())

    def _decide(self, case: Case, verdict: Verdict, why: str, *, quietly: bool) -> None:
        now = self.clock()
        if verdict is Verdict.DECLINE and not quietly:
            turn_down(self.owner, self.journal, case, why, now)
        else:
            self.journal.overrule(case, verdict, why, now, quietly=quietly)
        log.info("%s %s -> %s: %s", case.name, case.verdict, verdict, why, extra=LogEvent.MOVED.of(case=case.name))
