"""Mail that is handed over, each in a commit of its own, beside the bare commits of the database; and what an answer
costs in commits that wait for the disk."""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, event

from bench.arrival import Scene, until
from bench.judging import notification
from bench.measure import Measure, at_most, slower
from gateway.config import load
from gateway.journal import Journal
from gateway.journal.store import open_file
from gateway.pipeline import take_in
from gateway.watches import now, watch
from tests.notifications import old_linkedin

_MAILS, _ROUNDS = 400, 3
_INTAKE = 0  # commits that wait for the disk: the mail itself lies in the mailbox until it is decided on
_FULL = 2  # of SQLite's PRAGMA synchronous: a commit ends when it is on disk


def measures() -> Iterator[Measure]:
    mails = [notification(text=True, name=f"Bob {number}", slug=f"bob-{number}") for number in range(_MAILS)]
    ours, bare = [], []
    with TemporaryDirectory(prefix="rsvpd-bench-") as name:
        for turn in range(_ROUNDS):
            bare.append(_bare(Path(name, f"bare-{turn}.sqlite"), mails))
            journal = Journal(open_file(Path(name, str(turn), "journal.sqlite")), "me")
            began = time.perf_counter()
            for raw in mails:
                take_in(raw, None, journal, now())
            ours.append(time.perf_counter() - began)
    floor, value = statistics.median(bare), statistics.median(ours)
    # 60 % of the rate is 1/0.6 of the time.
    yield slower("intake: a mail in a commit of its own", value / _MAILS * 1e3, floor / _MAILS * 1e3, "ms", 1 / 0.6)
    with Scene.set() as scene:
        yield at_most(
            "answering: waits for the disk beyond intake", statistics.median(_commits_of_answers(scene)), "", 2
        )


def _bare(path: Path, mails: list[bytes]) -> float:
    """The same bytes into a table, each durably, by nothing but the database's own library."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE mails (raw BLOB)")
        began = time.perf_counter()
        for raw in mails:
            connection.execute("INSERT INTO mails VALUES (?)", (raw,))
        return time.perf_counter() - began


def _commits_of_answers(scene: Scene) -> Iterator[int]:
    """How many commits wait for the disk from a mail's delivery until its answer is sent and filed: an fsync each."""
    os.environ["STATE_DIRECTORY"] = str(scene.folder / "state")
    watched = watch(load(scene.config))
    work = watched.round
    work.run()  # all that a first round does besides
    commits: list[bool] = []

    def ends(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        commits.append(driver.execute("PRAGMA synchronous").fetchone() == (_FULL,))

    event.listen(work.journal.store.engine, "commit", ends)
    for turn in range(_ROUNDS):
        address = f"olga{turn}@somewhere.example"
        scene.dovecot.deliver(scene.login, old_linkedin(f"Olga Stranger{'abc'[turn]}", address))
        commits.clear()
        until(lambda address=address: bool(work.run() and scene.answered(address)), "the answer")  # type: ignore[misc]
        yield sum(commits) - _INTAKE
    work.close()
    watched.lock.release()
