"""A journal that has grown to a million cases, beside an empty one."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.judging import notification
from bench.measure import Measure, at_most, slower
from gateway.cases import Cases
from gateway.config import Config
from gateway.explain import account
from gateway.journal import Journal
from gateway.journal.store import open_file
from gateway.mail import parse
from gateway.model import State
from gateway.owner import for_service
from gateway.pipeline import judge, process, take_in
from gateway.review import listed, summary
from tests.notifications import MX

_CASES = 1_000_000
_ROUNDS, _MAILS = 5, 40
_YEARS = timedelta(days=20 * 365)  # over which they came
_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def measures() -> Iterator[Measure]:
    config = Config.model_validate(
        {"me": {"name": "Ada Miller", "addresses": "ada@example.org"}, "authentication": {"authserv_id": MX}}
    )
    with TemporaryDirectory(prefix="rsvpd-bench-") as name:
        empty = Journal(open_file(Path(name, "empty", "journal.sqlite")), "me")
        path = Path(name, "full", "journal.sqlite")
        full = Journal(open_file(path), "me")
        _fill(path, config, empty)
        yield at_most(
            "a million cases: summary of a week", _median(lambda: summary(config, full, None, _NOW)), "s", 0.5
        )
        yield at_most("a million cases: list", _once(lambda: listed(full, 100)), "s", 0.2)
        floor, value = _decided(_deciding(config, empty, "a"), _deciding(config, full, "b"))
        yield slower("a million cases: decide", value * 1e3, floor * 1e3, "ms", 1.2)


def _fill(path: Path, config: Config, empty: Journal) -> None:
    """Cases with a mail and two events each, spread over the years; all alike but for who they are."""
    owner = for_service(config, empty)
    told = json.dumps(account(judge(parse(notification(text=True)), owner, Cases()), None))
    inviter = json.dumps({"name": "Bob", "headline": None, "company": None, "profile_url": None, "address": None})
    moments = [(_NOW - _YEARS * (1 - number / _CASES)).isoformat(timespec="microseconds") for number in range(_CASES)]
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany(
            "INSERT INTO cases (owner, number, network, invitation, profile, person_name, opened_by, opened, inviter,"
            " verdict, decided_by, changed, pastes) VALUES ('me', ?, 'linkedin', ?, ?, ?, 'invitation', ?, ?,"
            " 'decline', 'policy', ?, 1)",
            ((n + 1, f"linkedin:{n}", f"linkedin:in/bob-{n}", f"linkedin:name:bob {n}", at, inviter, at)
             for n, at in enumerate(moments)),
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO entries (owner, key, message_id, taken_in, tries, state, case_id, judgement, judged, sends,"
            " settled, why, folder, uidvalidity, uid, filed) VALUES ('me', ?, ?, ?, 1, ?, ?, ?, ?, 0, ?, '', 'INBOX',"
            " 1, ?, 'Invitations/Declined')",
            ((hashlib.sha256(str(n).encode()).hexdigest(), f"<{n}@linkedin.com>", at, State.CLOSED, n + 1, told, at, at,
              n + 1) for n, at in enumerate(moments)),
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO events (owner, at, entry_id, case_id, what, why, hash) VALUES ('me', ?, ?, ?, ?, '', '')",
            ((at, n + 1, n + 1, what) for n, at in enumerate(moments) for what in ("decline", "closed")),
        )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _deciding(config: Config, journal: Journal, mark: str) -> Callable[[], None]:
    """Judges a new mail each time, and writes it down."""
    owner, numbers = for_service(config, journal), iter(range(1000))

    def decide() -> None:
        number = next(numbers)
        take_in(notification(text=True, name="Bob New", slug=f"new-{mark}-{number}"), None, journal, _NOW)
        process(journal.entries(State.NEW), owner, journal, _NOW)

    decide()  # what is made at the first mail
    return decide


def _decided(*works: Callable[[], None]) -> list[float]:
    """The median seconds of each, all taking turns."""
    taken = [[_once(work) for work in works] for _ in range(_MAILS)]
    return [statistics.median(of_one) for of_one in zip(*taken, strict=True)]


def _median(work: Callable[[], object]) -> float:
    return statistics.median(_once(work) for _ in range(_ROUNDS))


def _once(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
