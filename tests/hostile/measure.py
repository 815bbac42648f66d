"""What hostile mails cost whoever reads them, and what comes of them: a child process a mail.

The CPU time is the kernel's own account of the child, which no load of the machine changes. So is the peak of its
memory, kept at each page that comes in, so that no peak is missed between two looks; a forked child has an account of
its own that begins with what it shares with its parent. (One that executes a program would inherit its parent's peak.)
"""

from __future__ import annotations

import gc
import io
import json
import logging
import math
import os
import pickle
import resource
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from gateway.card import show
from gateway.config import Config
from gateway.evidence.correspondence import Direction, correspondents
from gateway.evidence.nobody import Mine
from gateway.explain import account
from gateway.journal import Journal
from gateway.journal.schema import metadata
from gateway.journal.store import open_file
from gateway.mail import LARGEST
from gateway.model import State
from gateway.owner import for_reading, for_service
from gateway.pipeline import deliver, process, take_in
from gateway.provenance import Trust, authenticate
from gateway.reading import Reader
from tests.notifications import MX, linkedin, old_linkedin
from tests.test_provenance import resolve

_CPU = 20  # seconds after which a child is ended
_QUICK = Path("/dev/shm")  # a disk would make it wait at each commit
_MEMORY = 4 * 1024**3  # bytes a child may ask for
ADA = {"name": "Ada Miller", "addresses": "ada@example.org"}
_BOOK = "".join(
    f"BEGIN:VCARD\nVERSION:4.0\nFN:{name} Known{number}\nEMAIL:{name.lower()}{number}@example.net\nEND:VCARD\n"
    for name in ("Carla", "Olga", "Bob", "Ada")
    for number in range(50)
)


@dataclass(frozen=True, slots=True)
class Letter:
    """An answer that went out."""

    to: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mail."""

    cpu: float  # seconds of the way of reading it that took longest
    told: str  # what `explain` says of it
    state: str  # and the journal
    letters: tuple[Letter, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a child made of its mails."""

    name: str
    size: int  # bytes
    peak: float  # MB of the child's memory, the program included
    outcomes: tuple[Outcome, ...]  # none when the child died
    end: str  # how

    @property
    def cpu(self) -> float:
        return max((outcome.cpu for outcome in self.outcomes), default=math.inf)


def measured(mails: Iterable[tuple[str, Sequence[bytes]]]) -> Iterator[Measured]:
    """The cost of each batch of mails, in a child of its own forked from a process that is warm."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=_QUICK if _QUICK.is_dir() else None) as folder:
        gauntlet = Gauntlet(Path(folder))
        for raw in (linkedin("Bob Stranger"), old_linkedin("Bob Stranger", "bob@bystander.example")):
            gauntlet.warm(raw)
        gc.freeze()  # what the children do not free they need not copy
        for name, raws in mails:
            yield _in_child(name, raws, gauntlet)


def _in_child(name: str, raws: Sequence[bytes], gauntlet: Gauntlet) -> Measured:
    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        _run(raws, gauntlet, tells)
    os.close(tells)
    with open(told, "rb") as answer:
        outcomes = answer.read()
    _, status, usage = os.wait4(child, 0)
    return Measured(
        name,
        size=sum(map(len, raws)),
        peak=usage.ru_maxrss * 1024 / 1e6,
        outcomes=pickle.loads(outcomes) if outcomes else (),
        end="" if status == 0 else f"ended with {os.waitstatus_to_exitcode(status)}",
    )


def _run(raws: Sequence[bytes], gauntlet: Gauntlet, tells: int) -> NoReturn:
    """The child's work."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        outcomes = gauntlet.run(raws)
        with open(tells, "wb") as answer:
            pickle.dump(outcomes, answer)
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


class Gauntlet:
    """All the ways a mail is read: explained, verified, looked through for people; taken in, judged and answered."""

    def __init__(self, folder: Path) -> None:
        book = folder / "book.vcf"
        book.write_text(_BOOK)
        self.config = Config.model_validate(
            {
                "me": {**ADA, "topics": "pies", "institution": "Oldport"},
                "evidence": {"contacts": str(book)},
                "authentication": {"authserv_id": MX},
                "delivery": {"mode": "send", "hold": "0s", "per_hour": 10_000, "per_day": 10_000, "per_domain": 10_000},
            }
        )
        self.reading, _ = for_reading(self.config)
        self.mine = Mine(self.config.me)
        trust = Trust((MX,), frozenset({ADA["addresses"]}), resolve)
        self.verifying = replace(self.reading, authenticate=lambda mail: authenticate(mail, trust))
        self.journal = Journal(open_file(folder / "journal.sqlite"), "ada")
        self.serving = replace(for_service(self.config, self.journal), look_up=self.reading.look_up)

    def warm(self, raw: bytes) -> None:
        """Do once what needs to be done only once, and let go of what does not survive a fork."""
        self.run([raw])
        self.journal.store.engine.dispose()

    def run(self, raws: Sequence[bytes]) -> tuple[Outcome, ...]:
        """What becomes of each mail, with an empty journal."""
        with self.journal.store.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        return tuple(map(self._outcome, raws))

    def _outcome(self, raw: bytes) -> Outcome:
        clock = _Laps()
        told = self.explain(raw)
        clock.lap()
        Reader(self.verifying).read_one("mail.eml", raw)
        clock.lap()
        for direction in Direction:
            correspondents([_head(raw)], self.mine, direction, "INBOX")
            clock.lap()
        state, letters = self._serve(raw if len(raw) <= LARGEST else _head(raw))
        clock.lap()
        return Outcome(clock.longest, told, state, letters)

    def explain(self, raw: bytes) -> str:
        """What `rsvpd explain` prints, and `rsvpd explain --json`."""
        reading = Reader(self.reading).read_one("mail.eml", raw)
        told = account(reading.judgement, reading.file)
        json.dumps(told)
        show(reading, Console(file=io.StringIO(), width=100))
        return f"{told['verdict']} ({told['rule']}): {told['because'][0]}"[:200]

    def _serve(self, raw: bytes) -> tuple[str, tuple[Letter, ...]]:
        """What the service does with a mail that it has fetched."""
        journal, now, letters = self.journal, datetime.now(UTC), list[Letter]()

        def post(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
            before_dot()
            letters.append(Letter(recipient, message))
            return "250 ok"

        take_in(raw, None, journal, now)
        for entry in journal.entries(State.NEW):
            process([entry], self.serving, journal, now)
        for entry in journal.due(now):
            deliver(entry, self.serving, journal, post, lambda: now)
        last = journal.entries(*State)[-1]
        return f"{last.state} {last.why}".strip(), tuple(letters)


class _Laps:
    """The CPU time between two moments."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began = time.process_time()

    def lap(self) -> None:
        now = time.process_time()
        self.longest, self._began = max(self.longest, now - self._began), now


def _head(raw: bytes) -> bytes:
    """What an IMAP server hands out as the header."""
    head, _, _ = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    return head.replace(b"\n", b"\r\n") + b"\r\n\r\n"
