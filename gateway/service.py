"""The service: one watch an owner, all in one process, multiplexed by one loop and a small pool of workers.

An IDLE event, a held answer coming due or a look at the clock wakes a watch; a worker then does one round of
its work. A server that keeps its clients waiting keeps no more than _PER_SERVER workers waiting, and owners whose last
round failed no more than half of all, so that nobody else's mail waits for it.
"""

from __future__ import annotations

import contextlib
import logging
import random
import selectors
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from gateway import systemd
from gateway.config import Config, Lmtp
from gateway.errors import BadConfig, JournalFailed, ListenFailed, MailboxFailed, RsvpdError
from gateway.filing import Filing
from gateway.imap import Session
from gateway.lmtp import Listener
from gateway.moves import Moves
from gateway.owner import connect_of, for_service, people_of, post_of
from gateway.pipeline import FAULTY
from gateway.records import Records
from gateway.roster import Roster
from gateway.round import Round
from gateway.state import Lock, folder_of, open_journal
from gateway.upkeep import Upkeep

log = logging.getLogger(__name__)

WORKERS = 32  # threads; they mostly wait for servers
_PER_SERVER = 8  # rounds at a time with one IMAP server: it is also met by no more logins at once
_STUCK = 3600.0  # seconds after which a round is not taken for going on any more; the longest wait in one is 600
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 300.0  # seconds, doubled and jittered in between
TICK = 60  # seconds between looks at what is due by the clock


def now() -> datetime:
    """The time in UTC; the service's only clock."""
    return datetime.now(UTC)


@dataclass(slots=True, eq=False)
class Watch:
    """An owner being looked after: when the next round is, and how the last ones went."""

    round: Round
    lock: Lock  # held as long as the watch lasts
    wake_at: float = 0.0  # by the monotonic clock, which no change of the date moves
    woken: bool = False  # something happened since the last round began
    failures: int = 0
    busy: bool = False
    began: float = 0.0  # when the last round did, by the monotonic clock
    next_work: Round | None = None  # what follows when the round under way is over: the settings were read again
    leaves: bool = False  # the owner's file is gone
    registered: socket.socket | None = None
    door: Listener | None = None  # where the owner's mail server hands mail over
    blind_since: datetime | None = field(default=None)

    @property
    def name(self) -> str:
        return self.round.name

    @property
    def server(self) -> str:
        """The IMAP server it depends on."""
        account = self.round.config.imap
        return f"{account.host}:{account.port}" if account else ""

    @property
    def due(self) -> bool:
        """Whether it is time for a round; who backs off is not to be woken before."""
        return self.wake_at <= time.monotonic() or (self.woken and not self.failures)


def watch(config: Config) -> Watch:
    """A watch over the mailbox of a file's owner; BadConfig, BadTemplate or JournalFailed when it cannot be."""
    lock = Lock.take(config)
    try:
        return Watch(work_of(config), lock)
    except BaseException:
        lock.release()
        raise


def work_of(config: Config) -> Round:
    """The rounds of a file's owner; BadConfig, BadTemplate or JournalFailed when there can be none."""
    journal = open_journal(config)
    journal.verify()
    owner = for_service(config, journal)
    owner.check_templates()
    filing = Filing(config, owner, journal, now)
    return Round(
        config=config,
        owner=owner,
        journal=journal,
        connect=_no_mailbox if config.imap is None and config.lmtp else connect_of(config),
        post=post_of(config),
        records=Records(config, people_of(journal), journal, now),
        filing=filing,
        moves=Moves(config, owner, journal, filing, now),
        upkeep=Upkeep(journal, None if config.journal.url else folder_of(config) / "backup", now),
        clock=now,
    )


def _no_mailbox() -> Session:
    """For an owner whose mail is handed over; their rounds do without."""
    raise MailboxFailed("there is no [imap]", permanent=True)


@dataclass(slots=True)
class Service:
    """Runs until stop(); every watch gets its rounds, however the others fare."""

    watches: list[Watch]
    roster: Roster | None = None  # where the settings are read again from
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS, "round"))
    _stopping: threading.Event = field(default_factory=threading.Event)
    _reading: threading.Event = field(default_factory=threading.Event)  # the settings are to be read again
    _done: list[tuple[Watch, Future[float]]] = field(default_factory=list)
    _bell: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)
    _watchdog: float | None = field(default_factory=systemd.watchdog)
    _fed: float = 0.0

    def run(self) -> None:
        """Look after all owners until stop() is called, then let the running rounds end."""
        for end in self._bell:
            end.setblocking(False)
        self._selector.register(self._bell[0], selectors.EVENT_READ)
        scheduler = self._clockwork()
        try:
            for watch in self.watches:
                self._open_door(watch)
            systemd.notify("READY=1", f"STATUS={self._status()}")
            while not self._stopping.is_set():
                if self._reading.is_set():
                    self._read_again()
                self._start_rounds()
                self._wait()
                self._end_rounds()
                self._feed_the_watchdog()
        finally:
            systemd.notify("STOPPING=1", "STATUS=waiting for what is under way")
            scheduler.shutdown(wait=False)
            for watch in self.watches:
                self._close_door(watch)
            self._pool.shutdown(wait=True)
            for watch in self.watches:
                watch.round.close()
                watch.lock.release()

    def stop(self, *_: object) -> None:
        """End after the rounds that are running; also a signal handler."""
        self._stopping.set()
        self.ring()

    def reload(self, *_: object) -> None:
        """Read the settings again as soon as may be; also a signal handler."""
        self._reading.set()
        self.ring()

    def ring(self) -> None:
        """Wake the loop from any thread."""
        # A full bell has not been heard yet, which serves as well.
        with contextlib.suppress(BlockingIOError):
            self._bell[1].send(b"!")

    @property
    def listens(self) -> bool:
        """Whether every owner's server is being listened to, and no round is under way."""
        return all(watch.registered is not None for watch in self.watches)

    def wake_all(self) -> None:
        """Give every watch that is not backing off a round now; one in a round gets another after it."""
        for watch in self.watches:
            watch.woken = True
        self.ring()

    def _clockwork(self) -> BackgroundScheduler:
        # Only a tick: what is due stands in the journal, so a tick missed or doubled (a clock step, a suspended
        # machine) does no harm.
        scheduler = BackgroundScheduler(timezone=UTC)
        scheduler.add_job(
            self.wake_all, IntervalTrigger(seconds=TICK, timezone=UTC), misfire_grace_time=None, coalesce=True
        )
        scheduler.start()
        return scheduler

    # Settings

    def _read_again(self) -> None:
        """Follow the owners' files; who has a faulty one is served as before."""
        self._reading.clear()
        if self.roster is None:
            return
        systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            configs, faults = self.roster.read()
        except BadConfig as exc:
            log.error("settings not read again: %s", exc)
            systemd.notify("READY=1", f"STATUS={self._status()}; settings not read again: {exc}")
            return
        faults |= self._follow(configs)
        served = {watch.name: watch for watch in self.watches}
        for name, fault in faults.items():
            log.error("%s: %s; %s", name, fault, "the old settings stay" if name in served else "not served")
        for name, watch in served.items():
            watch.leaves = name not in faults and name not in {config.owner for config in configs}
            watch.round.journal.set_fact(FAULTY, str(faults[name]) if name in faults else None)
        log.info("settings read again: %d owners, %d with faults", len(configs), len(faults))
        systemd.notify("READY=1", f"STATUS={self._status()}" + (f"; {len(faults)} with faults" if faults else ""))

    def _follow(self, configs: Sequence[Config]) -> dict[str, RsvpdError]:
        """Prepare what the settings ask for; what is wrong with those that cannot be used, by owner."""
        served = {watch.name: watch for watch in self.watches}
        faults: dict[str, RsvpdError] = {}
        for config in configs:
            try:
                if config.owner not in served:
                    self.watches.append(watch(config))
                elif config != served[config.owner].round.config:
                    served[config.owner].next_work = work_of(config)
            except RsvpdError as exc:
                faults[config.owner] = exc
        return faults

    def _renew(self, watch: Watch) -> None:
        """Go over to settings that were read meanwhile."""
        if watch.next_work is None:
            return
        self._deaf(watch)
        watch.round.close()
        if _terms(watch.next_work.config) != _terms(watch.round.config):
            self._close_door(watch)
        watch.round, watch.next_work = watch.next_work, None
        watch.failures, watch.woken = 0, True

    def _let_go(self) -> None:
        for watch in [watch for watch in self.watches if watch.leaves and not watch.busy]:
            self._deaf(watch)
            self._close_door(watch)
            watch.round.close()
            watch.lock.release()
            self.watches.remove(watch)
            log.info("%s is not served any more", watch.name)

    # Mail that is handed over

    def _open_door(self, watch: Watch) -> None:
        """Let the owner's mail server hand mail over; what it brings is looked at in a round at once."""
        settings, addresses = _terms(watch.round.config)
        if settings is None or watch.door:
            return

        def take_in(raw: bytes) -> None:
            watch.round.hand_over(raw)
            watch.woken = True
            self.ring()

        door = Listener(settings, frozenset(address.lower() for address in addresses), take_in)
        door.open()
        watch.door = door
        log.info("%s: mail is taken in at %s", watch.name, settings.listen)

    def _see_to_door(self, watch: Watch) -> None:
        """Open what the settings ask for now; where it cannot be, the others are served all the same."""
        try:
            self._open_door(watch)
        except ListenFailed as exc:
            log.error("%s: %s", watch.name, exc)

    def _close_door(self, watch: Watch) -> None:
        if watch.door:
            watch.door.close()
            watch.door = None

    # Watching over the service itself

    def _status(self) -> str:
        away = sum(watch.failures > 0 for watch in self.watches)
        return f"{len(self.watches)} owners" + (f", {away} away" if away else "")

    def _feed_the_watchdog(self) -> None:
        """Tell systemd that the service goes on, unless a round does not."""
        now = time.monotonic()
        if self._watchdog is None or now - self._fed < self._watchdog / 2:
            return
        stuck = [watch.name for watch in self.watches if watch.busy and now - watch.began > _STUCK]
        if stuck:
            log.error("no end of the round of %s: systemd is not told that all is well", ", ".join(stuck))
            return
        self._fed = now
        systemd.notify("WATCHDOG=1", f"STATUS={self._status()}")

    # Rounds

    def _start_rounds(self) -> None:
        self._let_go()
        under_way = Counter(watch.server for watch in self.watches if watch.busy)
        failing = sum(watch.busy and watch.failures > 0 for watch in self.watches)
        for watch in self.watches:
            if watch.busy or watch.leaves:
                continue
            self._renew(watch)
            self._see_to_door(watch)
            if not watch.due or under_way[watch.server] >= _PER_SERVER:
                continue
            if watch.failures and failing >= WORKERS // 2:
                continue
            under_way[watch.server] += 1
            failing += watch.failures > 0
            watch.busy, watch.woken, watch.began = True, False, time.monotonic()
            self._deaf(watch)
            future = self._pool.submit(watch.round.run)
            future.add_done_callback(self._note_end(watch))

    def _note_end(self, watch: Watch) -> Callable[[Future[float]], None]:
        def note(future: Future[float]) -> None:
            self._done.append((watch, future))
            self.ring()

        return note

    def _wait(self) -> None:
        # Who is due and was not started waits for a round to end, which rings the bell.
        now = time.monotonic()
        waiting = [watch.wake_at - now for watch in self.watches if not watch.busy and watch.wake_at > now]
        patience = min([TICK, *waiting, *([self._watchdog / 2] if self._watchdog else [])])
        for key, _ in self._selector.select(patience):
            if key.data is None:
                self._hear_bell()
            else:
                key.data.wake_at = 0.0

    def _hear_bell(self) -> None:
        try:
            while self._bell[0].recv(4096):
                pass
        except BlockingIOError:
            return

    def _end_rounds(self) -> None:
        while self._done:
            watch, future = self._done.pop()
            watch.busy = False
            try:
                watch.wake_at = time.monotonic() + future.result()
            except (MailboxFailed, JournalFailed) as exc:
                self._back_off(watch, exc)
            except Exception as exc:  # one owner's trouble must not stop the others
                log.exception("%s: a fault of rsvpd's own", watch.name)
                watch.round.close()
                self._back_off(watch, exc)
            else:
                self._recovered(watch)
                self._listen(watch)

    def _back_off(self, watch: Watch, exc: Exception) -> None:
        watch.failures += 1
        # Jitter, so that a server that comes back is not met by everybody at once.
        longest = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0**watch.failures)
        delay = LONGEST_BACKOFF if getattr(exc, "permanent", False) else random.uniform(0.5, 1.0) * longest  # noqa: S311
        watch.wake_at = time.monotonic() + delay
        watch.blind_since = watch.blind_since or now()
        level = logging.ERROR if isinstance(exc, JournalFailed) else logging.WARNING
        log.log(level, "%s away: %s; next try in %.0f s", watch.name, exc, delay)

    def _recovered(self, watch: Watch) -> None:
        if watch.failures:
            log.info("%s back after %d failures", watch.name, watch.failures)
        watch.failures, watch.blind_since = 0, None

    def _listen(self, watch: Watch) -> None:
        ear = watch.round.socket()
        if ear is not None:
            self._selector.register(ear, selectors.EVENT_READ, watch)
            watch.registered = ear

    def _deaf(self, watch: Watch) -> None:
        if watch.registered is not None:
            self._selector.unregister(watch.registered)
            watch.registered = None


def _terms(config: Config) -> tuple[Lmtp | None, tuple[str, ...]]:
    """What a door depends on: where it is, and whom it takes mail for."""
    return config.lmtp, config.me.addresses


def stop_on_signals(service: Service) -> None:
    """SIGTERM and SIGINT end the service after the running rounds; SIGHUP has it read the settings again."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, service.stop)
    signal.signal(signal.SIGHUP, service.reload)
