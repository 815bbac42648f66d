"""Whose turn it is: which owner's round may begin now, so that nobody's broken mailbox or server delays another's.

Who is new goes first, since nobody listens to them yet; then news, then what is due by the clock, and all in the order
they came. A round that shows to be slow makes room for another. A server that is away is asked by one owner at a time
for all who have a mailbox there, and met by few at once when it is back. Moments are those of a monotonic clock, in
seconds.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.errors import MailboxFailed

T = TypeVar("T")

QUICK = 8  # rounds at once of which none was seen to be slow
SLOW = 2.0  # seconds after which a round is, be it for a frozen server or for much work
MOST = 96  # rounds at once, slow ones and all
AT_A_SERVER = 16  # rounds at once at one server, and so connections that it is asked for
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 300.0  # of an owner, doubled and jittered in between
LONGEST_PROBE = 10.0  # between tries to reach a server that is away


@dataclass(slots=True, eq=False)
class _Server:
    """A mail server as all meet it who have a mailbox there."""

    busy: int = 0
    misses: int = 0  # tries in a row on which there was no server
    again_at: float = 0.0

    def takes_another(self, now: float) -> bool:
        return self.again_at <= now and self.busy < (1 if self.misses else AT_A_SERVER)


@dataclass(slots=True, eq=False)
class _Place(Generic[T]):
    """Somebody's place in the order."""

    who: T
    server: _Server
    fresh: bool = True  # had no round yet: nobody listens at the mailbox
    news: bool = False
    queued: bool = False
    busy: bool = False
    began: float = 0.0
    failures: int = 0
    timer: int = 0  # the number of the timer that counts; older ones do not


@dataclass(slots=True)
class Turns(Generic[T]):
    """The order of the rounds of all owners; `T` is who has a round."""

    _places: dict[T, _Place[T]] = field(default_factory=dict)
    _servers: defaultdict[str, _Server] = field(default_factory=lambda: defaultdict(_Server))
    _fresh: deque[_Place[T]] = field(default_factory=deque)
    _news: deque[_Place[T]] = field(default_factory=deque)
    _due: deque[_Place[T]] = field(default_factory=deque)
    _timers: list[tuple[float, int, _Place[T]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _busy: dict[T, _Place[T]] = field(default_factory=dict)
    newcomers: int = 0  # that are being made ready; until they are listened at, nobody else begins a round

    def add(self, who: T, *, server: str) -> None:
        """Give somebody a place, and their first round as soon as there is room."""
        place = self._places[who] = _Place(who, self._servers[server])
        self._queue(place)

    def remove(self, who: T) -> None:
        """Take a place away; of somebody whose round is over."""
        place = self._places.pop(who)
        place.timer = 0
        if place.queued:
            next(queue for queue in self._queues if place in queue).remove(place)

    def wake(self, who: T) -> None:
        """There are news for somebody: a round as soon as may be, after the one under way; who backs off goes on so."""
        place = self._places[who]
        if place.failures or place.news:
            return
        place.news = True
        if not place.busy and not place.fresh:
            if place.queued:
                self._due.remove(place)
            self._queue(place)

    def next(self, now: float) -> T | None:
        """Who begins a round now; None when nobody may."""
        self._ring(now)
        quick = sum(now - place.began < SLOW for place in self._busy.values())
        if quick >= QUICK or len(self._busy) >= MOST:
            return None
        for queue in (self._fresh,) if self.newcomers else self._queues:
            for place in queue:
                if place.server.takes_another(now):
                    queue.remove(place)
                    self._begin(place, now)
                    return place.who
        return None

    def ended(self, who: T, now: float, *, wait: float) -> int:
        """A round ended as it should, the next one is in `wait` seconds; after how many failures it was."""
        place = self._end(who)
        failures, place.failures = place.failures, 0
        place.server.misses, place.server.again_at = 0, 0.0
        if place.news or wait <= 0:
            self._queue(place)
        else:
            self._set_timer(place, now + wait)
        return failures

    def failed(self, who: T, now: float, exc: Exception) -> float:
        """A round failed; the seconds until the next try, by whoever it is then where the server is away."""
        place = self._end(who)
        place.failures += 1
        place.news = False
        if isinstance(exc, MailboxFailed) and exc.unreached:
            place.server.misses += 1
            delay = _jittered(place.server.misses, LONGEST_PROBE)
            place.server.again_at = now + delay
            self._queue(place)
            return delay
        permanent = isinstance(exc, MailboxFailed) and exc.permanent
        if permanent:  # but somebody answered
            place.server.misses, place.server.again_at = 0, 0.0
        delay = LONGEST_BACKOFF if permanent else _jittered(place.failures, LONGEST_BACKOFF)
        self._set_timer(place, now + delay)
        return delay

    def failures(self, who: T) -> int:
        """How many rounds failed in a row."""
        return self._places[who].failures

    @property
    def busy(self) -> tuple[T, ...]:
        """Whose rounds are under way."""
        return tuple(self._busy)

    def wait(self, now: float) -> float | None:
        """The seconds until next() may have somebody again if nothing else happens; None when never."""
        moments = [moment for moment, _, _ in self._timers[:1]]
        queued = [place for queue in self._queues for place in queue]
        moments += [place.server.again_at for place in queued if place.server.again_at > now]
        if queued:
            moments += [place.began + SLOW for place in self._busy.values() if now - place.began < SLOW]
        return max(0.0, min(moments) - now) if moments else None

    @property
    def _queues(self) -> tuple[deque[_Place[T]], ...]:
        return self._fresh, self._news, self._due

    def _queue(self, place: _Place[T]) -> None:
        place.queued, place.timer = True, 0
        (self._fresh if place.fresh else self._news if place.news else self._due).append(place)

    def _set_timer(self, place: _Place[T], moment: float) -> None:
        place.timer = next(self._numbers)
        heapq.heappush(self._timers, (moment, place.timer, place))

    def _ring(self, now: float) -> None:
        while self._timers and (self._timers[0][0] <= now or self._timers[0][1] != self._timers[0][2].timer):
            _, number, place = heapq.heappop(self._timers)
            if number == place.timer:
                self._queue(place)

    def _begin(self, place: _Place[T], now: float) -> None:
        place.queued, place.fresh, place.news, place.busy, place.began = False, False, False, True, now
        place.server.busy += 1
        self._busy[place.who] = place

    def _end(self, who: T) -> _Place[T]:
        place = self._busy.pop(who)
        place.busy = False
        place.server.busy -= 1
        return place


def _jittered(failures: int, longest: float) -> float:
    # So that who failed together does not come back together.
    return random.uniform(0.5, 1.0) * min(longest, FIRST_BACKOFF * 2.0**failures)  # noqa: S311
