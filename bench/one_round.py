"""A first round, and what the service does when there is nothing to do, in a process of its own; prints what they took
as JSON.

Beside each stands the bare protocol's: UID SEARCH UID n:*, on a connection that is there, or on one that is made.
"""

from __future__ import annotations

import imaplib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from bench.measure import peak
from gateway import tls
from gateway.config import Config, Imap, load
from gateway.rehearsal import rehearse
from gateway.round import Round
from gateway.watches import Watch, now, watch

_TIMES = 5


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    file = Path(sys.argv[1])
    os.environ["STATE_DIRECTORY"] = str(file.parent / "state")
    config = load(file)
    rehearse()  # as a service does before it serves anybody
    watched = watch(config)
    work = watched.round
    _read_records(work)
    found = {"first": seconds(work.run), "memory": peak(), "commands": float(_commands(work))}
    uidnext = _uidnext(work)
    found |= medians({"search": _search(work, uidnext), "round": work.run, "poll": _poll(work)})
    _end(watched)
    assert config.imap is not None
    found |= medians({"restart": lambda: _restart(config), "bare": _bare(config.imap, uidnext)})
    print(json.dumps(found))


def medians(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each, taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(_TIMES):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in taken.items()}


def _read_records(work: Round) -> None:
    """Make the people index, as is done once an owner; bench.people measures it."""
    session = work.connect()
    work.records.refresh(session)
    session.close()


def _commands(work: Round) -> int:
    """How many commands went over the wire since the connection was made: each has a tag with its number."""
    assert work.session is not None
    number: int = work.session._client._imap.tagnum
    return number


def _uidnext(work: Round) -> int:
    assert work.session is not None
    work.session.idle_done()
    work._idling = False
    return work.session.select("INBOX").uidnext


def _search(work: Round, uidnext: int) -> Callable[[], None]:
    """The bare look at what is new, on the connection of the round."""

    def search() -> None:
        assert work.session is not None
        client = work.session._client._imap
        if work._idling:
            work._idling = False
            work.session.idle_done()
        client.select()
        client.uid("SEARCH", f"UID {uidnext}:*")

    return search


def _poll(work: Round) -> Callable[[], None]:
    """What the service does when the time has come to look whether the server forgot to say something."""

    def poll() -> None:
        later[0] += timedelta(minutes=5)
        work.clock = lambda: now() + later[0]
        assert not work.due, "the clock has gone on so far that there is something to do"
        work.turn()

    later = [timedelta(0)]
    return poll


def _restart(config: Config) -> None:
    """All that a service does before it listens, once its program is loaded."""
    watched = watch(config)
    watched.round.run()
    _end(watched)


def _end(watched: Watch) -> None:
    watched.end()


def _bare(account: Imap, uidnext: int) -> Callable[[], None]:
    def bare() -> None:
        context = tls.context(account.ca_file)
        client = imaplib.IMAP4_SSL(account.host, account.port, ssl_context=context)
        client.login(account.user, account.secret().get_secret_value())
        client.select()
        client.uid("SEARCH", f"UID {uidnext}:*")
        client.shutdown()

    return bare


if __name__ == "__main__":
    main()
