"""The service of `rsvpd run` in a process of its own, until it has nothing more to do; by a clock that may be off."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from gateway import watches
from gateway.config import load
from gateway.errors import JournalFailed
from gateway.journal import Journal
from gateway.model import Channel, State
from gateway.service import Service
from gateway.state import open_journal

PATIENCE = 20.0  # seconds a process may take
_SETTLES = 10.0  # seconds after which the service is told to stop, settled or not
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.fault_harness.child"])


def start(file: Path, offset: timedelta, *, mails: int, stops_at: str = "") -> BaseProcess:
    """A service on a configuration; it stops itself (SIGSTOP) before its "start" or its first "round"."""
    child = _processes.Process(target=_serve, args=(file, offset, mails, stops_at))
    child.start()
    return child


def end(child: BaseProcess) -> None:
    """Wait for a service to end, or end it."""
    child.join(PATIENCE)
    if child.is_alive():
        child.kill()
        child.join()


def _serve(file: Path, offset: timedelta, mails: int, stops_at: str) -> None:
    os.environ["STATE_DIRECTORY"] = str(file.parent / "state")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    now = watches.now
    watches.now = lambda: now() + offset
    _stop_if(stops_at == "start")
    try:
        config = load(file)
        service, journal = Service([watches.watch(config)]), open_journal(config)
    except JournalFailed:
        sys.exit(78)
    _stop_if(stops_at == "round")
    threading.Thread(target=_stop_when_settled, args=(service, journal, offset, mails), daemon=True).start()
    service.run()


def _stop_if(here: bool) -> None:
    if here:
        os.kill(os.getpid(), signal.SIGSTOP)


def _stop_when_settled(service: Service, journal: Journal, offset: timedelta, mails: int) -> None:
    deadline = time.monotonic() + _SETTLES
    while time.monotonic() < deadline:
        time.sleep(0.05)
        with suppress(JournalFailed):
            if _settled(journal, datetime.now(UTC) + offset, mails):
                break
    service.stop()


def _settled(journal: Journal, now: datetime, mails: int) -> bool:
    every = journal.entries(*State)
    answers = [entry for entry in every if entry.reply and entry.reply.channel is not Channel.PASTE]
    waits = [entry for entry in every if entry.state in (State.NEW, State.SENDING, State.DOT)]
    due = [entry for entry in answers if entry.state is State.DUE and (entry.not_before or now) <= now]
    unfiled = any(journal.unfiled("INBOX"))
    return len(every) >= mails and not waits and not due and not unfiled and not journal.uncopied()
