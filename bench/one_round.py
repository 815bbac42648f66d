"""A first round, and one with nothing to do, in a process of its own; prints what they took as JSON."""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.config import load
from gateway.watches import watch

_IDLE_ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    file = Path(sys.argv[1])
    os.environ["STATE_DIRECTORY"] = str(file.parent / "state")
    watched = watch(load(file))
    work = watched.round
    session = work.connect()
    work.session = session
    work.filing.make_folders(session)
    work.records.refresh(session)
    first = seconds(work.run)
    idle = statistics.median(seconds(work.run) for _ in range(_IDLE_ROUNDS))
    polls = []
    session.idle_done()
    uidnext = session.select("INBOX").uidnext
    for _ in range(_IDLE_ROUNDS):
        polls.append(seconds(lambda: (session.select("INBOX"), session.uids(since=uidnext))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"first": first, "idle": idle, "poll": statistics.median(polls), "memory": peak}))


if __name__ == "__main__":
    main()
