"""Whether this host still reaches its owners' IMAP servers; who does not lets others have the owners, if others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

PATIENCE = 3.0  # seconds of nothing but failures; as much later another host may hear of what befell all
FIRST_WAIT, LONGEST_WAIT = 4.0, 60.0  # seconds between looks whether a lost server is there again, doubled in between


@dataclass(slots=True)
class Sight:
    """What the rounds met lately. One thread tells, another looks; the clock is monotonic, in seconds."""

    reaches: Callable[[str], bool]  # whether somebody answers at "host:port"
    clock: Callable[[], float]
    lost: bool = False  # no server answers, and that is no short breakdown
    _missed: dict[str, float] = field(default_factory=dict)  # servers, and since when no round got through to them
    _met: set[str] = field(default_factory=set)
    _wait: float = FIRST_WAIT
    _look_at: float = 0.0

    def met(self, server: str) -> None:
        """A round spoke with a server."""
        self._missed.pop(server, None)
        self._met.add(server)
        self._wait = FIRST_WAIT

    def missed(self, server: str) -> None:
        """A round lost a server, or did not get to it."""
        self._met.discard(server)
        self._missed.setdefault(server, self.clock())

    @property
    def fails(self) -> bool:
        """Whether no round got through lately, to whatever server."""
        return bool(self._missed) and not self._met

    def look(self) -> None:
        """See for ourselves where the rounds fail: it may be but one owner's mailbox that ends every connection."""
        if not self.fails:
            self.lost = False
            return
        if self.lost and self.clock() < self._look_at:
            return
        if any(self.reaches(server) for server in list(self._missed)):
            self._missed.clear()
            self.lost = False
            return
        self.lost = self.clock() - max(self._missed.values(), default=self.clock()) >= PATIENCE
        if self.lost:
            self._look_at = self.clock() + self._wait
            self._wait = min(2 * self._wait, LONGEST_WAIT)
