"""Whether a host reaches its owners' IMAP servers, under a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.sight import LONGEST_WAIT, PATIENCE, Sight


@dataclass
class World:
    """The servers that are there, the moment, and how often it was looked."""

    there: set[str] = field(default_factory=set)
    now: float = 0.0
    looks: int = 0

    def reaches(self, server: str) -> bool:
        self.looks += 1
        return server in self.there

    def sight(self) -> Sight:
        return Sight(self.reaches, lambda: self.now)


def test_who_met_and_missed_nobody_has_lost_nothing() -> None:
    world = World()
    sight = world.sight()

    sight.look()

    assert (sight.fails, sight.lost, world.looks) == (False, False, 0)


def test_a_server_that_nobody_answers_at_is_lost_after_a_while() -> None:
    world = World()
    sight = world.sight()
    sight.met("s")
    sight.missed("s")

    sight.look()
    at_once = (sight.fails, sight.lost)
    world.now = PATIENCE
    sight.look()

    assert (at_once, sight.lost) == ((True, False), True)


def test_a_mailbox_that_ends_every_connection_is_no_lost_server() -> None:
    world = World(there={"s"})
    sight = world.sight()
    for _ in range(10):
        world.now += PATIENCE
        sight.missed("s")
        sight.look()
        assert not sight.lost


def test_one_server_of_two_that_is_reached_is_enough() -> None:
    world = World()
    sight = world.sight()
    sight.met("here")
    sight.missed("away")
    world.now = 2 * PATIENCE

    sight.look()

    assert not sight.lost


def test_a_lost_server_is_looked_for_ever_more_rarely_and_found_again() -> None:
    world = World()
    sight = world.sight()
    sight.missed("s")
    for second in range(600):
        world.now = float(second)
        sight.look()
    looks = world.looks
    world.there = {"s"}
    for second in range(600, 600 + int(LONGEST_WAIT) + 1):
        world.now = float(second)
        sight.look()

    assert looks < 25
    assert not sight.lost
