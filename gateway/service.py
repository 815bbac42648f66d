"""The service: one watch an owner, all in one process, multiplexed by one loop and a small pool of workers.

An IDLE event, a held answer coming due or a look at the clock wakes a watch; a worker then does one round of
its work. Nothing a mailbox or a mail server does to one owner delays another: gateway.turns says whose turn it is.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import resource
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from gateway import heap, smtp, systemd, turns
from gateway.config import Config, Lmtp
from gateway.errors import BadConfig, JournalFailed, LeaseLost, ListenFailed, MailboxFailed, RsvpdError
from gateway.events import LogEvent
from gateway.heartbeat import Heartbeat
from gateway.logbook import Tally
from gateway.plural import plural
from gateway.presence import Presence, leave_word
from gateway.roster import Roster
from gateway.round import Round
from gateway.state import Lock
from gateway.turns import Turns
from gateway.watches import Prepared, Watch, now, prepare, prepare_again, server_of

if TYPE_CHECKING:  # with all of PostgreSQL, which files need nothing of
    from gateway.sharing import News, Sharing, Stake

log = logging.getLogger(__name__)

TICK = 60  # seconds between looks at what is due by the clock
AGAIN = 5  # ticks between tries to serve an owner whose journal could not be opened
TOGETHER = 20  # owners taken from the table that are made ready in one go
NAMED = 5  # owners that the line about a start names one by one
HEARTBEAT = 300  # seconds between signs of life to the operator's URL
BEAT = 10.0  # seconds between looks at the rounds under way
# Seconds without a step. Nothing that is in order waits longer than for a mail server's word after the final dot.
HUNG = smtp.LONGEST_WAIT + 60.0  # then a round's connection is ended under it
STUCK = smtp.LONGEST_WAIT + 300.0  # then systemd gets no more signs of life, and starts rsvpd anew


@dataclass(slots=True)
class Service:
    """Runs until stop(); every watch gets its rounds, however the others fare.

    `roster` is where reload() reads the settings again.
    """

    watches: list[Watch]
    roster: Roster | None = None
    faults: dict[str, RsvpdError] = field(default_factory=dict)  # of owners whose file, or the latest of it, is no good
    untried: dict[str, Config] = field(default_factory=dict)
    heartbeat: Heartbeat | None = None
    sharing: Sharing | None = None  # with other processes
    _turns: Turns[Watch] = field(default_factory=Turns)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(turns.MOST, "round"))
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "reload"))
    _stopping: threading.Event = field(default_factory=threading.Event)
    _done: deque[tuple[Watch, Future[float]]] = field(default_factory=deque)
    _wishes: deque[Callable[[], None]] = field(default_factory=deque)  # of other threads, for the loop to fulfil
    _bell: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)
    _beat_at: float = 0.0
    _alive_at: float = 0.0  # when all rounds were last seen to go on
    _ticks: int = 0
    _told: str = ""  # the last status

    def run(self) -> None:
        """Look after all owners until stop() is called, then let the running rounds end."""
        for end in self._bell:
            end.setblocking(False)
        self._selector.register(self._bell[0], selectors.EVENT_READ)
        for watch in self.watches:
            self._turns.add(watch, server=watch.server)
        self._alive_at = time.monotonic()
        if self.sharing:
            self.sharing.tell = lambda news: self._wish(partial(self._hear_of_shares, news))
            self.sharing.start()
        scheduler = self._clockwork()
        try:
            self._open_doors()
            systemd.notify("READY=1", f"STATUS={self.status}")
            release = version("rsvpd")
            told = LogEvent.STARTED.of(version=release, owners=len(self.watches))
            log.info("rsvpd %s serves %s", release, self._whom, extra=told)
            while not self._stopping.is_set():
                self._start_rounds()
                self._wait(self._turns.wait(time.monotonic()))
            systemd.notify("STOPPING=1")
            while self._turns.busy:
                self._wait(None)
        finally:
            scheduler.shutdown(wait=False)
            for watch in self.watches:
                self._close_door(watch)
            self._reader.shutdown(wait=True, cancel_futures=True)
            self._pool.shutdown(wait=True)
            for watch in self.watches:
                watch.end()
            if self.sharing:
                self.sharing.close()
        log.info("rsvpd stopped, and no round was cut off", extra=LogEvent.STOPPED.of())

    # What others ask of the loop

    def stop(self, *_: object) -> None:
        """End after the rounds that are running; also a signal handler."""
        self._stopping.set()
        self.ring()

    def reload(self, *_: object) -> None:
        """Read the files again and go by those that are in order; also a signal handler."""
        self._wish(self._begin_reload)

    def wake_all(self) -> None:
        """Give every watch that is not backing off a round now; one in a round gets another after it."""
        self._wish(self._call_all)

    def ring(self) -> None:
        """Wake the loop from any thread."""
        # A full bell has not been heard yet, which serves as well.
        with contextlib.suppress(BlockingIOError):
            self._bell[1].send(b"!")

    @property
    def listens(self) -> bool:
        """Whether every owner's server is being listened to, and no round is under way."""
        return all(watch.registered is not None for watch in self.watches)

    @property
    def healthy(self) -> bool:
        """Whether the loop goes on, and every round under way with it."""
        return time.monotonic() - self._alive_at < 3 * BEAT

    @property
    def reached(self) -> dict[str, bool]:
        """Whether the last round reached the mailbox, by owner; false before the first."""
        return {watch.name: watch.word == "" for watch in tuple(self.watches)}

    @property
    def not_served(self) -> int:
        """How many owners there is a file of, and no watch."""
        return len(self.faults.keys() - {watch.name for watch in tuple(self.watches)})

    @property
    def rounds(self) -> int:
        """How many are under way."""
        return len(self._turns.busy)

    @property
    def status(self) -> str:
        """How things stand, in a line."""
        away = sum(watch.blind_since is not None for watch in self.watches)
        parts = [f"{_owners(len(self.watches))} served", f"{away} of them cannot be reached" if away else ""]
        served = {watch.name for watch in self.watches}
        absent, refused = sorted(self.faults.keys() - served), sorted(self.faults.keys() & served)
        parts += [f"not served: {', '.join(absent)}" if absent else ""]
        parts += [f"changed file not taken: {', '.join(refused)}" if refused else ""]
        return "; ".join(part for part in parts if part)

    @property
    def _whom(self) -> str:
        """Who is looked after, by name and mode where they are few."""
        if self.sharing:
            return "its share of the owners in the database"
        named = [f"{watch.name} ({watch.round.config.delivery.mode})" for watch in self.watches[:NAMED]]
        return _owners(len(self.watches)) + (f": {', '.join(named)}" if 0 < len(self.watches) <= NAMED else "")

    def _wish(self, wish: Callable[[], None]) -> None:
        self._wishes.append(wish)
        self.ring()

    def _clockwork(self) -> BackgroundScheduler:
        # Only a tick: what is due stands in the journal, so a tick missed or doubled (a clock step, a suspended
        # machine) does no harm.
        scheduler = BackgroundScheduler(timezone=UTC)
        scheduler.add_job(
            partial(self._wish, self._look_at_the_clock),
            IntervalTrigger(seconds=TICK, timezone=UTC),
            misfire_grace_time=None,
            coalesce=True,
        )
        if self.heartbeat:
            scheduler.add_job(
                self._send_heartbeat,
                IntervalTrigger(seconds=HEARTBEAT, timezone=UTC),
                next_run_time=now(),
                misfire_grace_time=None,
                coalesce=True,
            )
        scheduler.start()
        return scheduler

    def _send_heartbeat(self) -> None:
        if self.heartbeat and self.healthy:
            self.heartbeat.beat()

    def _look_at_the_clock(self) -> None:
        for watch in self.watches:
            if watch.round.due:
                self._turns.wake(watch)
            self._see_to_door(watch)
        self._ticks += 1
        if self.untried and self._ticks % AGAIN == 0:
            self._prepare(partial(prepare, list(self.untried.values()), {}, self._take), self._admit)

    def _call_all(self) -> None:
        for watch in self.watches:
            self._call(watch)

    # Rounds

    def _start_rounds(self) -> None:
        while (watch := self._turns.next(time.monotonic())) is not None:
            self._deaf(watch)
            watch.steps, watch.stepped_at, watch.hung_up = watch.round.steps.taken, time.monotonic(), False
            future = self._pool.submit(watch.round.turn)
            future.add_done_callback(partial(self._note_end, watch))

    def _note_end(self, watch: Watch, future: Future[float]) -> None:
        self._done.append((watch, future))
        self.ring()

    def _wait(self, seconds: float | None) -> None:
        """Until something happens, then see to it."""
        longest = max(0.0, self._beat_at - time.monotonic())
        for key, _ in self._selector.select(longest if seconds is None else min(seconds, longest)):
            if key.data is None:
                self._hear_bell()
            else:
                self._deaf(key.data)  # until its round has heard the server out
                self._turns.wake(key.data)
        self._end_rounds()
        while self._wishes:
            self._wishes.popleft()()
        if time.monotonic() >= self._beat_at:
            self._beat()

    def _hear_bell(self) -> None:
        try:
            while self._bell[0].recv(4096):
                pass
        except BlockingIOError:
            return

    def _end_rounds(self) -> None:
        while self._done:
            watch, future = self._done.popleft()
            try:
                wait = future.result()
            except LeaseLost as exc:
                self._turns.failed(watch, time.monotonic(), exc)
                watch.round.close()
                watch.leaves = True
                log.warning("%s is served no more: %s", watch.name, exc, extra=LogEvent.RELEASED.of(owner=watch.name))
            except (MailboxFailed, JournalFailed) as exc:
                self._back_off(watch, exc)
            except Exception as exc:  # one owner's trouble must not stop the others
                log.exception("%s: a fault of rsvpd's own", watch.name, extra=LogEvent.FAULT.of(owner=watch.name))
                watch.round.close()
                self._back_off(watch, exc)
            else:
                if failures := self._turns.ended(watch, time.monotonic(), wait=wait):
                    log.info(
                        "%s back after %d failures", watch.name, failures, extra=LogEvent.BACK.of(owner=watch.name)
                    )
                if self.sharing and watch.steps != watch.round.steps.taken:
                    self.sharing.sight.met(watch.server)
                watch.blind_since = None
                self._leave_word(watch, "")
                self._listen(watch)
            self._part_with(watch)

    def _back_off(self, watch: Watch, exc: Exception) -> None:
        if self.sharing and isinstance(exc, MailboxFailed) and not exc.permanent:
            self.sharing.sight.missed(watch.server)
        delay = self._turns.failed(watch, time.monotonic(), exc)
        watch.blind_since = watch.blind_since or now()
        self._leave_word(watch, str(exc))
        level = logging.ERROR if isinstance(exc, JournalFailed) else logging.WARNING
        told = LogEvent.AWAY.of(owner=watch.name)
        log.log(level, "%s away: %s; next try in %.0f s", watch.name, exc, delay, extra=told)

    def _leave_word(self, watch: Watch, why: str) -> None:
        """Tell `rsvpd status` whether the mailbox is reached, when that changed."""
        if watch.word != why:
            watch.word = why
            leave_word(watch.round.config, Presence(watch.blind_since or now(), why))

    def _listen(self, watch: Watch) -> None:
        ear = watch.round.socket()
        if ear is not None:
            self._selector.register(ear, selectors.EVENT_READ, watch)
            watch.registered = ear

    def _deaf(self, watch: Watch) -> None:
        if watch.registered is not None:
            self._selector.unregister(watch.registered)
            watch.registered = None

    # Signs of life

    def _beat(self) -> None:
        """See whether the rounds go on, and tell systemd as long as they do."""
        moment = time.monotonic()
        if self.sharing:
            self.sharing.look_at_the_clock()
        interval = systemd.watchdog()
        self._beat_at = moment + (min(BEAT, interval / 3) if interval else BEAT)
        stuck = [watch.name for watch in self._turns.busy if self._silence(watch, moment) > STUCK]
        if stuck:
            log.critical("%s: hangs, which only a new start can mend", ", ".join(stuck), extra=LogEvent.STUCK.of())
        else:
            self._alive_at = moment
            systemd.notify("WATCHDOG=1")
        if self.status != self._told:
            self._told = self.status
            systemd.notify(f"STATUS={self.status}")

    def _silence(self, watch: Watch, moment: float) -> float:
        """The seconds since a round under way took its last step; the connection of one that hangs is ended."""
        if watch.steps != watch.round.steps.taken:
            watch.steps, watch.stepped_at = watch.round.steps.taken, moment
        silence = moment - watch.stepped_at
        if silence > HUNG and not watch.hung_up:
            watch.hung_up = True
            told = LogEvent.HUNG_UP.of(owner=watch.name)
            log.warning("%s: no step for %.0f s; hanging up", watch.name, silence, extra=told)
            watch.round.hang_up()
        return silence

    # Reading the files again

    def _begin_reload(self) -> None:
        if self.roster is None:
            return
        systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        served = {watch.name: watch for watch in self.watches}
        self._prepare(partial(prepare_again, self.roster, served), self._end_reload)

    def _prepare(self, work: Callable[[], Prepared], use: Callable[[Future[Prepared]], None]) -> None:
        """Make ready beside the loop what takes a while, and use it in the loop."""
        self._reader.submit(work).add_done_callback(lambda future: self._wish(partial(use, future)))

    def _end_reload(self, future: Future[Prepared]) -> None:
        try:
            prepared = future.result()
        except BadConfig as exc:
            log.error("not reloaded, everything stays as it was: %s", exc, extra=LogEvent.REFUSED_SETTINGS.of())
            systemd.notify("READY=1", f"STATUS=Not reloaded: {exc.faults[0]}; {self.status}")
            return
        named = prepared.rounds.keys() | prepared.watches.keys() | prepared.faults.keys()
        for watch in [watch for watch in self.watches if watch.name not in named]:
            self._leave(watch)
        self.faults.clear()
        self._use(prepared)
        log.info("reloaded: %s", self.status, extra=LogEvent.RELOADED.of())
        self._told = self.status
        systemd.notify("READY=1", f"STATUS=Reloaded; {self.status}")

    def _admit(self, future: Future[Prepared]) -> None:
        prepared = future.result()
        self._use(prepared)
        for watch in prepared.watches.values():
            if watch.lock.lost:  # while it was made ready
                self._leave(watch)

    def _use(self, prepared: Prepared) -> None:
        # Who was made ready twice, since their file changed before they were served, is served once.
        served = {watch.name for watch in self.watches if not watch.leaves} & prepared.watches.keys()
        rounds = {**prepared.rounds, **{owner: prepared.watches[owner].round for owner in served}}
        for watch in self.watches:
            if watch.name in rounds:
                self.faults.pop(watch.name, None)
                watch.leaves, watch.successor = False, rounds[watch.name]
                self._part_with(watch)
        for owner, watch in prepared.watches.items():
            if owner in served:
                continue
            log.info("%s is served", owner, extra=LogEvent.SERVED.of(owner=owner))
            self.faults.pop(owner, None)
            self.watches.append(watch)
            self._turns.add(watch, server=watch.server)
            self._see_to_door(watch)
        for owner, fault in prepared.faults.items():
            log.error("%s: %s", owner, fault, extra=LogEvent.REFUSED_SETTINGS.of(owner=owner))
        self.faults.update(prepared.faults)
        self.untried = {**(self.untried if self.sharing else {}), **prepared.untried}
        for owner in prepared.watches:
            self.untried.pop(owner, None)

    def _part_with(self, watch: Watch) -> None:
        """Let go of a watch that leaves, or of the round that has a successor, if no round is under way."""
        if watch in self._turns.busy or not (watch.leaves or watch.successor):
            return
        self._deaf(watch)
        self._turns.remove(watch)
        if watch.leaves:
            watch.end()
            self.watches.remove(watch)
        elif watch.successor:
            watch.successor.inherit(watch.round)
            if _terms(watch.successor) != _terms(watch.round):
                self._close_door(watch)
            watch.round, watch.successor = watch.successor, None
            watch.server = server_of(watch.round.config)
            self._turns.add(watch, server=watch.server)
            self._see_to_door(watch)

    # Owners shared with other processes

    @property
    def _take(self) -> Callable[[Config], Lock | Stake]:
        return self.sharing.stake if self.sharing else Lock.take

    def _hear_of_shares(self, news: News) -> None:
        if news.lost:
            self._lose_all()
            return
        gone = [watch for watch in self.watches if watch.name in news.gone]
        staying = [watch for watch in self.watches if not watch.leaves and watch not in gone]
        surplus = max(0, news.surplus - sum(watch.leaves for watch in self.watches))
        for watch in (*gone, *staying[:surplus]):
            if news.blind:
                watch.round.hang_up()
            self._leave(watch)
        self._drop_unserved(news.gone)
        self.faults.update(news.faults)
        for owner, fault in news.faults.items():
            log.error("%s: %s", owner, fault, extra=LogEvent.REFUSED_SETTINGS.of(owner=owner))
        served = {watch.name: watch for watch in self.watches if not watch.leaves}
        for start in range(0, len(news.configs), TOGETHER):  # so that the first are listened at soon
            some = news.configs[start : start + TOGETHER]
            self._turns.newcomers += len(some)
            self._prepare(partial(prepare, some, served, self._take), partial(self._admit_newcomers, len(some)))

    def _admit_newcomers(self, number: int, future: Future[Prepared]) -> None:
        self._turns.newcomers -= number
        self._admit(future)

    def _leave(self, watch: Watch) -> None:
        log.info("%s is served no more", watch.name, extra=LogEvent.RELEASED.of(owner=watch.name))
        watch.leaves = True
        self._close_door(watch)
        self._part_with(watch)

    def _lose_all(self) -> None:
        """Stop work on every owner: other processes may have begun it."""
        for watch in list(self.watches):
            watch.round.hang_up()
            self._leave(watch)
        self._drop_unserved(self.sharing.names if self.sharing else ())

    def _drop_unserved(self, owners: Collection[str]) -> None:
        """Forget owners who are held and not served, for a fault of their file or journal."""
        watched = {watch.name for watch in self.watches}
        for owner in list(owners):
            self.faults.pop(owner, None)
            self.untried.pop(owner, None)
            if self.sharing and owner not in watched:
                self.sharing.drop(owner)

    # Mail that is handed over

    def _open_doors(self) -> None:
        """Let the owners' mail servers hand mail over; ListenFailed when there is only one owner, and no door."""
        if len(self.watches) == 1:
            self._open_door(self.watches[0])
        for watch in self.watches:
            self._see_to_door(watch)

    def _open_door(self, watch: Watch) -> None:
        """Let the owner's mail server hand mail over; what it brings is looked at in a round at once."""
        settings, recipients = _terms(watch.round)
        if settings is None or watch.door:
            return

        from gateway.lmtp import Listener  # only now: most owners' mail is fetched

        def take_in(raw: bytes) -> None:
            watch.round.hand_over(raw)
            self._wish(partial(self._call, watch))

        door = Listener(settings, recipients, take_in)
        door.open()
        watch.door = door
        told = LogEvent.LISTENING.of(owner=watch.name)
        log.info("%s: mail is taken in at %s", watch.name, settings.listen, extra=told)

    def _see_to_door(self, watch: Watch) -> None:
        """Open what the settings ask for, now or later; where it cannot be, the others are served all the same."""
        try:
            self._open_door(watch)
        except ListenFailed as exc:
            log.error("%s: %s", watch.name, exc, extra=LogEvent.NOT_LISTENING.of(owner=watch.name))

    def _close_door(self, watch: Watch) -> None:
        if watch.door:
            watch.door.close()
            watch.door = None

    def _call(self, watch: Watch) -> None:
        if watch in self.watches:  # and has not left since
            watch.round.call()
            self._turns.wake(watch)


def _owners(number: int) -> str:
    return f"{number:,} {plural(number, 'owner')}"


def _terms(work: Round) -> tuple[Lmtp | None, frozenset[str]]:
    """What a door depends on: where it is, and whom it takes mail for."""
    return work.config.lmtp, frozenset(address.lower() for address in work.config.me.addresses)


def heed_signals(service: Service) -> None:
    """SIGTERM and SIGINT end the service after the running rounds, SIGHUP has it read its files again."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, service.stop)
    signal.signal(signal.SIGHUP, service.reload)


def serve(roster: Roster, *, metrics: tuple[str, int] | None = None, heartbeat: Heartbeat | None = None) -> None:
    """Serve the owners of a roster until a signal ends it; when none can be served, the last fault, the others told.

    `metrics` is where numbers can be asked for, `heartbeat` where signs of life are sent; ListenFailed when the first
    cannot be.
    """
    _allow_many_connections()
    configs, unread = roster.read()
    prepared = prepare(configs, {})
    faults = {**unread, **prepared.faults}
    last = None if prepared.watches else faults.popitem()[1]  # with nobody to serve, the program ends with it
    for owner, fault in faults.items():
        log.error("%s is not served: %s", owner, fault, extra=LogEvent.NOT_SERVED.of(owner=owner))
    if last:
        raise last
    service = Service(list(prepared.watches.values()), roster, faults, prepared.untried, heartbeat)
    _run(service, metrics)


def serve_table(
    sharing: Sharing, *, metrics: tuple[str, int] | None = None, heartbeat: Heartbeat | None = None
) -> None:
    """Serve a fair share of the owners in a table until a signal ends it."""
    _allow_many_connections()
    _run(Service([], heartbeat=heartbeat, sharing=sharing), metrics)


def _run(service: Service, metrics: tuple[str, int] | None) -> None:
    heap.keep_one()
    heed_signals(service)
    # systemd's watchdog ends with SIGABRT, and the log, standard error, shall say where each thread was.
    faulthandler.enable(2)
    with _numbers(service, metrics):
        service.run()


@contextmanager
def _numbers(service: Service, address: tuple[str, int] | None) -> Iterator[None]:
    if address is None:
        yield
        return
    from gateway.metrics import Endpoint  # its library is an extra

    tally = Tally()
    logging.getLogger("gateway").addHandler(tally)
    endpoint = Endpoint(address, service, tally)
    try:
        yield
    finally:
        endpoint.close()
        logging.getLogger("gateway").removeHandler(tally)


def _allow_many_connections() -> None:
    # Each owner takes one for the mailbox and one for the lock; systemd's soft limit is 1024 for old programs' sake.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
