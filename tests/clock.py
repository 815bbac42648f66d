"""A clock that the test moves, and the service's parts that go by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway import watches
from gateway.config import Config
from gateway.watches import Watch, watch


@dataclass
class Clock:
    """The time, until the test changes it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


def watch_by(clock: Clock, config: Config) -> Watch:
    """The watch of `rsvpd run`, with all its parts going by a clock of the test's."""
    usual, watches.now = watches.now, clock
    try:
        return watch(config)
    finally:
        watches.now = usual
