"""A watch: an owner's parts put together and looked after; and a whole roster of them made ready."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gateway.config import Config
from gateway.errors import BadConfig, JournalFailed, LeaseLost, MailboxFailed, RsvpdError
from gateway.events import LogEvent
from gateway.filing import Filing
from gateway.imap import Session
from gateway.journal import Journal
from gateway.moves import Moves
from gateway.owner import check_templates, connect_of, for_service, people_of, post_of
from gateway.ownership import why_not_secret
from gateway.pipeline import FAULTY, Post
from gateway.records import Records
from gateway.roster import Roster
from gateway.round import Round
from gateway.state import Lock, folder_of, rung
from gateway.steps import Steps
from gateway.upkeep import Upkeep

if TYPE_CHECKING:  # with all of PostgreSQL, and of a mail server: most owners need neither
    from gateway.lmtp import Listener
    from gateway.sharing import Stake

log = logging.getLogger(__name__)


def now() -> datetime:
    """The time in UTC; the service's only clock."""
    return datetime.now(UTC)


@dataclass(slots=True, eq=False)
class Watch:
    """An owner being looked after, and how the last round went."""

    round: Round
    lock: Lock | Stake  # held as long as the watch lasts
    server: str = ""  # where the mailbox is
    registered: socket.socket | None = None
    blind_since: datetime | None = None
    word: str | None = None  # last left for `rsvpd status`
    leaves: bool = False  # no more rounds
    successor: Round | None = None  # takes over when the round under way is over
    steps: int = 0  # of the round, when it was last seen to take one
    stepped_at: float = 0.0  # when that was, by the monotonic clock
    hung_up: bool = False
    door: Listener | None = None  # where the owner's mail server hands mail over

    @property
    def name(self) -> str:
        return self.round.name

    def end(self) -> None:
        """Hang up and let others have the owner, who find the journal in good order if it was when last looked at."""
        self.round.close()
        if self.round.ended_well:
            self.round.journal.rest()
            self.lock.left_in_order()
        self.lock.release()


def watch(config: Config, take: Callable[[Config], Lock | Stake] = Lock.take) -> Watch:
    """A watch over the mailbox of a file's owner; BadConfig or JournalFailed when it cannot be.

    `take` is what makes sure that nobody else looks after them.
    """
    lock = take(config)
    try:
        return Watch(_round(config, _journal(config, lock), lock), lock, server_of(config))
    except RsvpdError:
        if isinstance(lock, Lock):  # an owner in a table is ours to look after, whatever is wrong with their file
            lock.release()
        raise


def _journal(config: Config, lock: Lock | Stake) -> Journal:
    """The owner's journal; JournalFailed when it was changed behind our back.

    All of it is looked at unless it is as a service left it in good order. What may still go out always is, and all
    of it again once a day (gateway.upkeep).
    """
    in_order = lock.found_in_order(config)
    journal = lock.journal(config, whole=not in_order)
    if in_order:
        journal.verify_answers(now() - config.delivery.window)
    else:
        journal.verify()
    return journal


def fenced(post: Post, check: Callable[[], None]) -> Post:
    """The way to the mail server for as long as the owner is ours: LeaseLost comes before the final dot."""

    def while_ours(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        def mark() -> None:
            before_dot()
            check()

        check()
        return post(message, recipient=recipient, before_dot=mark)

    return while_ours


def server_of(config: Config) -> str:
    return f"{config.imap.host}:{config.imap.port}" if config.imap else ""


def _warn_of_secrets(config: Config) -> None:
    """Tell of each file with a secret that others can read; it may be known already, which no refusal would mend."""
    for file in config.secret_files:
        with suppress(OSError):  # whoever needs it tells of one that cannot be read
            if why_not := why_not_secret(file):
                told = LogEvent.EXPOSED.of(owner=config.owner)
                log.warning("%s: %s %s", config.owner, file, why_not, extra=told)


def _no_mailbox() -> Session:
    """For an owner whose mail is handed over; their rounds do without."""
    raise MailboxFailed("there is no [imap]", permanent=True)


def _round(config: Config, journal: Journal, lock: Lock | Stake) -> Round:
    _warn_of_secrets(config)
    owner = for_service(config, journal)
    check_templates(config, owner)
    journal.rest()
    steps, filing = Steps(), Filing(config, owner, journal, now)
    return Round(
        config=config,
        owner=owner,
        journal=journal,
        connect=_no_mailbox if config.imap is None and config.lmtp else connect_of(config, journal),
        post=fenced(post_of(config, steps.take, journal), lock.check),
        records=Records(config, people_of(journal), journal, now),
        filing=filing,
        moves=Moves(config, owner, journal, filing, now),
        upkeep=Upkeep(journal, None if config.journal.url else folder_of(config) / "backup", now),
        clock=now,
        bell=partial(rung, config),
        steps=steps,
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A roster made ready: rounds for those who are served already, watches for the others, and what was wrong."""

    rounds: dict[str, Round] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)
    faults: dict[str, RsvpdError] = field(default_factory=dict)
    untried: dict[str, Config] = field(default_factory=dict)  # their journals could not be opened, and may be soon


def prepare(
    configs: Iterable[Config], served: Mapping[str, Watch], take: Callable[[Config], Lock | Stake] = Lock.take
) -> Prepared:
    """Every file put to the test, with its policy and templates; nothing is changed yet."""
    prepared = Prepared()
    for config in configs:
        owner = config.owner
        try:
            if owner in served:
                prepared.rounds[owner] = _successor(config, served[owner])
            else:
                prepared.watches[owner] = watch(config, take)
        except LeaseLost:
            continue  # another process sees to them by now
        except BadConfig as exc:
            prepared.faults[owner] = exc
        except JournalFailed as exc:
            prepared.faults[owner] = exc
            if owner not in served:
                prepared.untried[owner] = config
    return prepared


def _successor(config: Config, old: Watch) -> Round:
    same = config.journal == old.round.config.journal
    return _round(config, old.round.journal if same else _journal(config, old.lock), old.lock)


def prepare_again(roster: Roster, served: Mapping[str, Watch]) -> Prepared:
    """All files read and put to the test; BadConfig when there is nothing to go by.

    An owner whose file is refused reads of it in the next summary.
    """
    configs, faults = roster.read()
    prepared = prepare(configs, served)
    prepared.faults.update(faults)
    for owner in served.keys() & (prepared.rounds.keys() | prepared.faults.keys()):
        with suppress(JournalFailed):  # which is seen to where it matters
            _note(served[owner].round.journal, prepared.faults.get(owner))
    return prepared


def _note(journal: Journal, fault: RsvpdError | None) -> None:
    told = str(fault) if fault else None
    if journal.fact(FAULTY) != told:
        journal.set_fact(FAULTY, told)
    journal.rest()
