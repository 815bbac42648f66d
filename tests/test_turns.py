"""Whose turn it is, under a clock that the test moves: nobody waits for another's server."""

from __future__ import annotations

from itertools import pairwise

from gateway.errors import MailboxFailed
from gateway.turns import AT_A_SERVER, LONGEST_BACKOFF, LONGEST_PROBE, MOST, QUICK, SLOW, Turns

AWAY = MailboxFailed("it does not answer", unreached=True)
LOST = MailboxFailed("connection lost")
REFUSED = MailboxFailed("login refused", permanent=True)


def begun(turns: Turns[str], now: float) -> list[str]:
    """Who begins a round now."""
    found = []
    while (who := turns.next(now)) is not None:
        found.append(who)
    return found


def listening(count: int, *, servers: int) -> Turns[str]:
    """Owners who had their first round long ago, and are woken by nothing."""
    turns: Turns[str] = Turns()
    for number in range(count):
        turns.add(f"o{number}", server=f"s{number % servers}")
    while first := begun(turns, 0.0):
        for who in first:
            turns.ended(who, 0.0, wait=3600.0)
    return turns


def test_nobody_begins_who_has_nothing_to_do() -> None:
    assert begun(listening(30, servers=3), 100.0) == []


def test_everybody_gets_a_first_round_and_at_most_so_many_at_once() -> None:
    turns: Turns[str] = Turns()
    for number in range(3 * QUICK):
        turns.add(f"o{number}", server=f"s{number}")

    first = begun(turns, 0.0)
    turns.ended(first[0], 0.1, wait=60.0)

    assert first == [f"o{number}" for number in range(QUICK)]
    assert begun(turns, 0.1) == [f"o{QUICK}"]


def test_as_long_as_newcomers_are_made_ready_nobody_else_begins_a_round() -> None:
    """Nobody listens at their mailboxes: a round of somebody who is listened at would only delay that."""
    turns = listening(40, servers=40)
    turns.wake("o0")
    turns.wake("o1")

    turns.newcomers = 1
    assert begun(turns, 1.0) == []
    turns.add("new", server="s0")
    assert begun(turns, 1.0) == ["new"]
    turns.ended("new", 1.5, wait=0.0)  # listened at; the rest of the first round is due
    assert begun(turns, 1.5) == []

    turns.newcomers = 0
    assert begun(turns, 2.0) == ["o0", "o1", "new"]


def test_news_go_before_what_is_due_by_the_clock() -> None:
    turns = listening(40, servers=40)
    for number in range(39):
        turns.wake(f"o{number}")
    for who in (waiting := begun(turns, 1.0)):
        turns.ended(who, 1.0, wait=0.0)  # due again at once, but without news

    turns.wake("o39")

    assert waiting == [f"o{number}" for number in range(QUICK)]
    order = []
    while (next_one := turns.next(1.0)) is not None:
        order.append(next_one)
        turns.ended(next_one, 1.0, wait=3600.0)
    assert order == [f"o{number}" for number in (*range(QUICK, 40), *range(QUICK))]


def test_what_happens_during_a_round_is_looked_at_after_it() -> None:
    turns = listening(1, servers=1)
    turns.wake("o0")
    assert begun(turns, 1.0) == ["o0"]

    turns.wake("o0")
    assert begun(turns, 1.0) == []
    turns.ended("o0", 1.5, wait=3600.0)

    assert begun(turns, 1.5) == ["o0"]


def test_frozen_servers_hold_up_a_healthy_one_for_seconds_at_most() -> None:
    turns = listening(21, servers=21)
    for number in range(21):
        turns.wake(f"o{number}")
    frozen = {f"o{number}" for number in range(20)}

    now, healthy = 1.0, None
    while healthy is None and now < 60:
        for who in begun(turns, now):
            if who not in frozen:
                healthy = now
        now += turns.wait(now) or 0.0

    assert healthy is not None
    assert healthy - 1.0 <= 20 / QUICK * SLOW


def test_all_that_hang_together_leave_room_for_others() -> None:
    """One frozen server with very many owners takes a few workers and no more."""
    turns = listening(500, servers=1)
    turns.add("healthy", server="other")
    (first,) = begun(turns, 0.0)
    turns.ended(first, 0.0, wait=3600.0)
    for number in range(500):
        turns.wake(f"o{number}")

    hanging: list[str] = []
    for moment in range(1, 30, 3):
        hanging += begun(turns, float(moment))
    turns.wake("healthy")

    assert len(hanging) == AT_A_SERVER < MOST
    assert begun(turns, 31.0) == ["healthy"]


def test_a_server_that_is_away_is_asked_by_one_at_a_time_and_often() -> None:
    turns: Turns[str] = Turns()
    for number in range(100):
        turns.add(f"o{number}", server="s")
    now = 0.0
    for who in begun(turns, now):
        turns.failed(who, now, AWAY)

    asked: list[float] = []
    while now < 600:
        now += max(turns.wait(now) or 0.0, 0.01)
        for who in (tries := begun(turns, now)):
            turns.failed(who, now + 0.001, AWAY)
        asked += [now] * len(tries)
        assert len(tries) <= 1

    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert max(gaps) <= LONGEST_PROBE + 0.1
    assert min(gaps[10:]) >= LONGEST_PROBE / 2 - 0.1


def test_when_a_server_is_back_all_are_but_not_at_once() -> None:
    turns: Turns[str] = Turns()
    for number in range(100):
        turns.add(f"o{number}", server="s")
    for who in begun(turns, 0.0):
        turns.failed(who, 0.0, AWAY)

    (probe,) = begun(turns, 30.0)
    turns.ended(probe, 30.1, wait=3600.0)

    back, waves = {probe}, []
    while wave := begun(turns, 30.2):
        waves.append(len(wave))
        for who in wave:
            turns.ended(who, 30.2, wait=3600.0)
        back.update(wave)
    assert len(back) == 100
    assert max(waves) <= QUICK


def test_one_owner_whose_login_is_refused_holds_up_nobody_on_the_same_server() -> None:
    turns = listening(2, servers=1)
    turns.wake("o0")
    begun(turns, 1.0)

    delay = turns.failed("o0", 1.0, REFUSED)
    turns.wake("o1")

    assert delay == LONGEST_BACKOFF
    assert begun(turns, 1.0) == ["o1"]


def test_who_backs_off_is_not_woken_before() -> None:
    turns = listening(1, servers=1)
    turns.wake("o0")
    begun(turns, 1.0)
    delay = turns.failed("o0", 1.0, LOST)

    turns.wake("o0")

    assert begun(turns, 1.0 + delay / 2) == []
    assert begun(turns, 1.1 + delay) == ["o0"]
    assert turns.ended("o0", 3.0, wait=60.0) == 1


def test_failures_of_an_owners_own_double_the_wait_up_to_a_limit() -> None:
    turns = listening(1, servers=1)
    turns.wake("o0")
    now, delays = 1.0, []
    for _ in range(12):
        begun(turns, now)
        delays.append(turns.failed("o0", now, LOST))
        now += delays[-1] + 0.01

    assert 1.0 <= delays[0] <= 2.0
    assert LONGEST_BACKOFF / 2 <= delays[-1] <= LONGEST_BACKOFF


def test_who_is_taken_out_gets_no_more_rounds() -> None:
    turns = listening(3, servers=1)
    turns.wake("o1")
    turns.remove("o1")
    turns.remove("o0")

    assert begun(turns, 4000.0) == ["o2"]


def test_who_is_new_is_listened_to_before_those_who_have_news() -> None:
    turns = listening(30, servers=3)
    for number in range(30):
        turns.wake(f"o{number}")
    turns.add("new", server="s0")
    turns.wake("new")

    assert begun(turns, 100.0)[0] == "new"
