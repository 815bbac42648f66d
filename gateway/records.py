"""The owner's records as the service keeps them: files read again when they changed, mail folders by what is new."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.blindness import Sense, lose, regain
from gateway.config import Config
from gateway.errors import BadSource, MailboxFailed
from gateway.events import LogEvent
from gateway.evidence import Source, read, sources
from gateway.evidence.correspondence import FIELDS, Direction, correspondents
from gateway.evidence.nobody import Mine
from gateway.imap import Session
from gateway.journal import Journal
from gateway.journal.index import PeopleIndex, SourceState
from gateway.letter import LETTER_ID
from gateway.model import Acquaintance, Entry, Link
from gateway.people.keys import address_key
from gateway.plural import plural

log = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
_AT_ONCE = 4_000  # headers read and kept in one step: what they tell is held until then, and a crash loses no more
THREAD = ("In-Reply-To", "References")


@dataclass(slots=True)
class Records:
    """Keeps an owner's people index true to the sources."""

    config: Config
    index: PeopleIndex
    journal: Journal
    clock: Callable[[], datetime]
    _read_at: datetime | None = field(default=None)

    def refresh(self, session: Session | None) -> bool:
        """Look at every source again, once an hour or when somebody answered; whether more is known now than before.

        Without a mailbox the files are all there is. A source that cannot be read keeps what was known from it.
        """
        now = self.clock()
        if self._read_at and self._still_true(self._read_at, now):
            return False
        before = {known.source: known for known in self.index.sources()}
        files = sources(self.config.evidence, self.config.me)
        for source in files:
            self._file(source, before.get(source.name), now)
        folders = self._mailbox(session, before, now) if session else []
        after = self.index.keep_only([*(source.name for source in files), *folders])
        self._tell_of_faults(after, now)
        self._read_at = now
        return {known.source: known.state for known in after} != {name: known.state for name, known in before.items()}

    def _tell_of_faults(self, known: Iterable[SourceState], now: datetime) -> None:
        if faulty := [source for source in known if source.fault]:
            lose(self.journal, Sense.SOURCE, faulty[0].fault, now)
        else:
            regain(self.journal, Sense.SOURCE)

    @property
    def due(self) -> datetime:
        """When the sources are to be looked at again."""
        return self._read_at + EVERY if self._read_at else datetime.min.replace(tzinfo=UTC)

    def _still_true(self, read_at: datetime, now: datetime) -> bool:
        lately = timedelta(0) <= now - read_at < EVERY
        return lately and not self.journal.conversation.answered_since(read_at)

    def _file(self, source: Source, known: SourceState | None, now: datetime) -> None:
        try:
            state = source.fingerprint()
        except BadSource as exc:
            self._failed(source.name, exc)
            return
        if state and known and state == known.state and not known.fault:
            return
        found = read(source, now)
        if found.fault:
            self._failed(source.name, found.fault)
            return
        self.index.replace(source.name, found.acquaintances, state, now)
        log.info(
            "%s: %s read, %d people", self.config.owner, source.name, len(found.acquaintances), extra=LogEvent.READ.of()
        )

    def _failed(self, name: str, fault: BadSource) -> None:
        log.warning("%s: %s; what is known from it stays", self.config.owner, fault, extra=LogEvent.SOURCE_AWAY.of())
        self.index.failed(name, str(fault))

    def _mailbox(self, session: Session, known: Mapping[str, SourceState], now: datetime) -> list[str]:
        """Read what is new in the mail folders; their names."""
        folders = self._folders(session)
        for folder, direction in folders.items():
            state = known[folder].state if folder in known else ""
            if self._news(session, folder, state):
                self._folder(session, folder, direction, state, now)
        return list(folders)

    def _news(self, session: Session, folder: str, state: str) -> bool:
        """Whether a folder holds what was not read; a server that does not tell its next UID says 0."""
        if folder == self.config.folders.inbox:  # where the round goes on, and need not go again
            selected = session.look_again(folder)
            uidvalidity, uidnext = selected.uidvalidity, selected.uidnext
        else:
            uidvalidity, uidnext = session.status(folder)
        # In a folder whose next UID is 1, nothing ever lay.
        return not uidnext or (uidnext > 1 and state != f"{uidvalidity}:{uidnext - 1}")

    def _folders(self, session: Session) -> dict[str, Direction]:
        """The mail folders that tell with whom the owner corresponds."""
        found = {}
        try:
            found[session.special("\\Sent", self.config.folders.sent)] = Direction.SENT
        except MailboxFailed as exc:
            log.warning("%s: %s", self.config.owner, exc, extra=LogEvent.SOURCE_AWAY.of())
        return {**found, self.config.folders.inbox: Direction.RECEIVED}

    def _folder(self, session: Session, folder: str, direction: Direction, state: str, now: datetime) -> None:
        """What is new in a folder; all of it when the server renumbered it."""
        selected = session.look_again(folder)
        uidvalidity, _, last = state.partition(":")
        known = int(last) if uidvalidity == str(selected.uidvalidity) else 0
        uids = session.uids(since=known + 1)
        mine = Mine(self.config.me)
        fresh = known == 0
        for start in range(0, len(uids), _AT_ONCE):
            part = uids[start : start + _AT_ONCE]
            answers: list[bytes] = []
            blocks = _noting(answers, (block for _, block in session.headers(part, (*FIELDS, *THREAD))))
            people = [*correspondents(blocks, mine, direction, folder), *self._answers(answers, mine, folder)]
            keep = self.index.replace if fresh else self.index.merge
            keep(folder, people, f"{selected.uidvalidity}:{part[-1]}", now)
            fresh = False
            count = start + len(part)
            mails = f"{count} {plural(count, 'mail')}"
            log.info("%s: %s of %r read", self.config.owner, mails, folder, extra=LogEvent.READ.of())

    def _answers(self, blocks: Iterable[bytes], mine: Mine, folder: str) -> Iterator[Acquaintance]:
        """Who answered a reply of ours: that is interaction, however the reply ended."""
        for block in blocks:
            letter = self.journal.conversation.letter(LETTER_ID.findall(block.decode("latin-1")))
            if letter:
                for person in correspondents([block], mine, Direction.RECEIVED, folder):
                    yield replace(person, link=Link.ANSWERED, name=person.name or _invited_as(letter, person))


def _invited_as(letter: Entry, person: Acquaintance) -> str | None:
    """The name in the invitation, of somebody who answers without one from the address the letter went to."""
    inviter = (letter.judgement or {}).get("inviter")
    to = letter.reply.to if letter.reply else None
    same = to and person.address and address_key(to) == address_key(person.address)
    return inviter["name"] if inviter and same else None


def _noting(answers: list[bytes], blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks, one at a time, since thousands of big ones would fill the memory; those that may answer us noted."""
    for block in blocks:
        if LETTER_ID.search(block.decode("latin-1")):
            answers.append(block)
        yield block
