"""The service: one watch an owner, all in one process, multiplexed by one loop and a small pool of workers.

An IDLE event, a held answer coming due or a look at the clock wakes a watch; a worker then does one round of
its work. Nothing a mailbox or a mail server does to one owner delays another.
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
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from gateway.config import Config
from gateway.errors import JournalFailed, MailboxFailed
from gateway.filing import Filing
from gateway.moves import Moves
from gateway.owner import connect_of, for_service, people_of, post_of
from gateway.records import Records
from gateway.round import Round
from gateway.state import Lock, folder_of, open_journal
from gateway.upkeep import Upkeep

log = logging.getLogger(__name__)

WORKERS = 8
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
    registered: socket.socket | None = None
    blind_since: datetime | None = field(default=None)

    @property
    def name(self) -> str:
        return self.round.name

    @property
    def due(self) -> bool:
        """Whether it is time for a round; who backs off is not to be woken before."""
        return self.wake_at <= time.monotonic() or (self.woken and not self.failures)


def watch(config: Config) -> Watch:
    """A watch over the mailbox of a file's owner; BadConfig, BadTemplate or JournalFailed when it cannot be."""
    lock = Lock.take(config)
    journal = open_journal(config)
    journal.verify()
    owner = for_service(config, journal)
    owner.check_templates()
    filing = Filing(config, owner, journal, now)
    work = Round(
        config=config,
        owner=owner,
        journal=journal,
        connect=connect_of(config),
        post=post_of(config),
        records=Records(config, people_of(journal), journal, now),
        filing=filing,
        moves=Moves(config, owner, journal, filing, now),
        upkeep=Upkeep(journal, None if config.journal.url else folder_of(config) / "backup", now),
        clock=now,
    )
    return Watch(work, lock)


@dataclass(slots=True)
class Service:
    """Runs until stop(); every watch gets its rounds, however the others fare."""

    watches: Sequence[Watch]
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS, "round"))
    _stopping: threading.Event = field(default_factory=threading.Event)
    _done: list[tuple[Watch, Future[float]]] = field(default_factory=list)
    _bell: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)

    def run(self) -> None:
        """Look after all owners until stop() is called, then let the running rounds end."""
        for end in self._bell:
            end.setblocking(False)
        self._selector.register(self._bell[0], selectors.EVENT_READ)
        scheduler = self._clockwork()
        try:
            while not self._stopping.is_set():
                self._start_rounds()
                self._wait()
                self._end_rounds()
        finally:
            scheduler.shutdown(wait=False)
            self._pool.shutdown(wait=True)
            for watch in self.watches:
                watch.round.close()
                watch.lock.release()

    def stop(self, *_: object) -> None:
        """End after the rounds that are running; also a signal handler."""
        self._stopping.set()
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

    def _start_rounds(self) -> None:
        for watch in self.watches:
            if watch.busy or not watch.due:
                continue
            watch.busy, watch.woken = True, False
            self._deaf(watch)
            future = self._pool.submit(watch.round.run)
            future.add_done_callback(self._note_end(watch))

    def _note_end(self, watch: Watch) -> Callable[[Future[float]], None]:
        def note(future: Future[float]) -> None:
            self._done.append((watch, future))
            self.ring()

        return note

    def _wait(self) -> None:
        idle = [watch.wake_at for watch in self.watches if not watch.busy]
        timeout = max(0.0, min(idle, default=time.monotonic() + TICK) - time.monotonic())
        for key, _ in self._selector.select(min(timeout, TICK)):
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


def stop_on_signals(service: Service) -> None:
    """SIGTERM and SIGINT end the service after the running rounds."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, service.stop)
