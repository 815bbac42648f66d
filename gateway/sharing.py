"""The part of a process in owners that several processes share: a sign of life, a fair share, and news of their files.

Two threads ask the database; what follows is told to the service's loop, and done there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.config import Config, JournalSettings, load, read
from gateway.errors import BadConfig, JournalFailed, LeaseLost
from gateway.events import LogEvent
from gateway.imap import reaches
from gateway.journal import Journal
from gateway.journal.leases import Holding, Leases, OwnersFile, Tenure, now
from gateway.plural import plural
from gateway.roster import Roster
from gateway.sight import Sight
from gateway.state import open_journal

log = logging.getLogger(__name__)

BEAT = 2.0  # seconds between signs of life, and between looks at what is free
AT_ONCE = 50  # owners taken in one step, so that the others get their part of many, and the first are served soon


def settings_in(file: OwnersFile, url: str) -> Config:
    """The settings of an owner in the table, whose journal is beside it; BadConfig names all faults."""
    config = read(file.text, Path(file.folder) / f"{file.name}.toml")
    if config.journal.url not in (None, url):
        raise BadConfig(file.name, ("[journal] url: an owner in a table has the journal beside it; leave this out",))
    return config.model_copy(update={"journal": JournalSettings(url=url)})


def settings_at(place: str) -> Config:
    """The settings of an owner in a table, named "URL#NAME"; BadConfig when there is none of this name."""
    url, _, name = place.partition("#")
    file = Leases.at(url).file(name)
    if file is None:
        raise BadConfig(place, ("no such owner in the table; name one as postgresql://...#NAME",))
    return settings_in(file, url)


def imported(roster: Roster, leases: Leases) -> tuple[int, int, list[BadConfig]]:
    """Put a roster's files into the table: how many are new or changed, how many as they were, and what is wrong."""
    new, same, faults = 0, 0, []
    for file in roster.files():
        folder = str(file.parent.absolute())
        try:
            load(file)  # with all that is said about who may write to it
            content = file.read_text("utf-8")
            settings_in(OwnersFile(file.stem, folder, content, 0), leases.url)
        except BadConfig as exc:
            faults.append(exc)
            continue
        put = leases.put(file.stem, folder, content)
        new, same = new + put, same + (not put)
    return new, same, faults


@dataclass(frozen=True, slots=True)
class Stake:
    """An owner held by this process, in place of a lock on this host."""

    holding: Holding
    let_go: Callable[[Holding], None]

    def journal(self, config: Config, *, whole: bool = True) -> Journal:
        """The owner's journal, in which nothing is written once the owner is lost."""
        journal = open_journal(config, whole=whole)
        return replace(journal, store=replace(journal.store, proof=self.holding.proof))

    def found_in_order(self, _config: Config) -> bool:
        """False: of a database that others write to, nobody can tell by looking at a file."""
        return False

    def left_in_order(self) -> None:
        """Nothing, for the same reason."""

    @property
    def lost(self) -> bool:
        """Whether it is certain that the owner is not ours any more."""
        return self.holding.tenure.over

    def check(self) -> None:
        """LeaseLost when another process may hold the owner by now."""
        self.holding.check()

    def release(self) -> None:
        """Let others have the owner."""
        self.let_go(self.holding)


@dataclass(frozen=True, slots=True)
class News:
    """What the service has to do about its owners."""

    configs: tuple[Config, ...] = ()  # taken, or changed
    faults: dict[str, BadConfig] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    surplus: int = 0
    lost: bool = False  # all of them
    blind: bool = False  # the surplus is of rounds that wait for a server in vain


@dataclass(slots=True)
class Sharing:
    """Runs from start() to close()."""

    leases: Leases
    tell: Callable[[News], None] = lambda _news: None  # the service's; any thread may call it
    sight: Sight = field(default_factory=lambda: Sight(reaches, now))
    _tenure: Tenure = field(default_factory=Tenure)
    _held: dict[str, Holding] = field(default_factory=dict)
    _given: list[Holding] = field(default_factory=list)
    _revision: int = 0
    _removed: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _awake: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to live and to take; JournalFailed when the database cannot be asked."""
        self._begin()
        for name, work in (("life", self._live), ("shares", self._share)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop; what is still held is free at once, if the database can be told."""
        self._stopping.set()
        self._awake.set()
        for thread in self._threads:
            thread.join()
        try:
            self.leases.end(self._tenure)
        except JournalFailed as exc:
            log.warning("the owners are free later: %s", exc, extra=LogEvent.SHARES.of())

    def stake(self, config: Config) -> Stake:
        """The owner in our hands; LeaseLost when they are not any more."""
        with self._guard:
            holding = self._held.get(config.owner)
        if holding is None or holding.tenure.over:
            raise LeaseLost(f"{config.owner} is another process's by now")
        return Stake(holding, self.let_go)

    def let_go(self, holding: Holding) -> None:
        """Let others have an owner, soon."""
        with self._guard:
            if self._held.get(holding.owner) == holding:
                del self._held[holding.owner]
            self._given.append(holding)
        self._awake.set()

    def drop(self, owner: str) -> None:
        """Let others have an owner on whom nobody works here."""
        with self._guard:
            holding = self._held.get(owner)
        if holding:
            self.let_go(holding)

    @property
    def names(self) -> frozenset[str]:
        """The owners held."""
        with self._guard:
            return frozenset(self._held)

    @property
    def holds(self) -> int:
        """How many owners."""
        return len(self._held)

    # Living

    def _begin(self) -> None:
        self._revision, self._removed = self.leases.revision(), self.leases.removed()
        self._tenure = self.leases.begin()

    def _live(self) -> None:
        while not self._stopping.wait(BEAT):
            if self._tenure.over:
                continue
            try:
                self.leases.prolong(self._tenure, blind=self.sight.fails)
            except LeaseLost as exc:
                self._lose(exc)
            except JournalFailed as exc:
                log.warning("no sign of life: %s", exc, extra=LogEvent.SHARES.of())
                if not self._tenure.safe:
                    self._lose(exc)

    def look_at_the_clock(self) -> None:
        """Let go when the tenure is over and the database, which does not say a word, cannot tell."""
        if self._threads and not self._tenure.over and now() > self._tenure.ends:
            self._lose(LeaseLost("the database does not answer"))

    def _lose(self, exc: JournalFailed) -> None:
        if self._tenure.over:
            return
        self._tenure.over = True
        log.error("all owners are let go: %s", exc, extra=LogEvent.SHARES.of())
        self.tell(News(lost=True))

    # Sharing

    def _share(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._tenure.over:
                    self._begin_again()
                else:
                    self._look()
            except JournalFailed as exc:
                log.warning("shares are not looked at: %s", exc, extra=LogEvent.SHARES.of())
                self._stopping.wait(BEAT)
            self._awake.wait(BEAT)
            self._awake.clear()

    def _begin_again(self) -> None:
        """A new life, once no round of the old one is under way."""
        if not self._held:
            self._begin()

    def _look(self) -> None:
        self._give_back()
        gone = self._gone()
        if gone:
            self.tell(News(gone=gone))
        self.sight.look()
        blind = self.sight.lost
        share, holds = self.leases.fair_share(blind=blind), self.holds - len(gone)
        if holds > share:
            self.tell(News(surplus=holds - share, blind=blind))
        told: dict[str, int] = {}  # revisions
        while self.holds < share and not self._stopping.is_set():
            taken = self.leases.take(self._tenure, min(AT_ONCE, share - self.holds))
            if not taken:
                break
            with self._guard:
                self._held.update({holding.owner: holding for holding, _ in taken})
            owners = plural(len(taken), "owner")
            log.info("%d %s taken", len(taken), owners, extra=LogEvent.SHARES.of(taken=len(taken)))
            files = [file for _, file in taken]
            self._tell_of(files)
            told |= {file.name: file.revision for file in files}
        changed = self.leases.changed_since(self._revision)
        if changed:
            self._revision = changed[-1].revision
            self._tell_of(
                [file for file in changed if file.name in self._held and told.get(file.name) != file.revision]
            )

    def _gone(self) -> frozenset[str]:
        """Owners whose files were taken out of the table since the last look."""
        removed = self.leases.removed()
        if removed == self._removed:
            return frozenset()
        before = self.names
        gone = before - self.leases.held(self._tenure)
        self._removed = removed
        return gone

    def _give_back(self) -> None:
        with self._guard:
            given = list(self._given)
        if given:
            self.leases.give_back(given)
            with self._guard:
                self._given = [holding for holding in self._given if holding not in given]

    def _tell_of(self, files: list[OwnersFile]) -> None:
        configs, faults = [], {}
        for file in files:
            try:
                configs.append(settings_in(file, self.leases.url))
            except BadConfig as exc:
                faults[file.name] = exc
        if configs or faults:
            self.tell(News(configs=tuple(configs), faults=faults))
