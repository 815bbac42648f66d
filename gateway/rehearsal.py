"""A rehearsal before a service begins: sample mails go the whole way but for the wire, and must end as they should.

What is installed changes between two starts, Python and the libraries too, and a program that reads mails otherwise
than it did yesterday writes to strangers today. Nobody is served then. And whatever is loaded when it is needed first
is there from then on: the first mail does not wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from gateway.config import Config
from gateway.demo import samples
from gateway.demo.samples import Sample
from gateway.errors import Unfit
from gateway.journal import Journal
from gateway.journal.store import open_url
from gateway.model import Entry, State
from gateway.owner import for_service
from gateway.pipeline import deliver, mail_key, portions, process, take_in_all

# Those that need no records: LinkedIn's forms of 2010 and 2016, a note in English, a forgery, and a friend's mail. What
# another language needs is loaded with the first note in it.
_PLAYED = (1, 4, 5, 11, 19)
_NOW = datetime(2026, 3, 3, tzinfo=UTC)  # whatever day it is: the samples are moved with it
_OWNER = {
    "me": {"name": "Mira Solberg", "addresses": "mira@solberg.example"},
    "authentication": {"authserv_id": "mx.solberg.example"},
    "delivery": {"mode": "send", "hold": "0s"},
}


def rehearse() -> None:
    """Let samples go the way of a mail, in a journal in memory; Unfit when one does not end as it should."""
    played = [sample for sample in samples.load(_NOW) if sample.number in _PLAYED]
    with _unheard():
        entries, recipients = _play(played)
    faults = [fault for sample in played for fault in _differences(sample, entries, recipients)]
    if faults:
        raise Unfit(
            "the rehearsal went wrong, and nobody is served: mails would be misread with what is installed.\n"
            + "\n".join(f"  {fault}" for fault in faults)
            + "\nInstall rsvpd anew, or go back to the version that worked; `rsvpd demo` shows more."
        )


def _play(played: Sequence[Sample]) -> tuple[dict[str, Entry], dict[str, str]]:
    """What became of each mail by its key, and to whom each answer went by the mail it answers."""
    journal = Journal(open_url("sqlite://"), "rehearsal")
    owner = for_service(Config.model_validate(_OWNER), journal)
    take_in_all(((sample.raw, None) for sample in played), journal, _NOW)
    for new in journal.new():
        for batch in portions(new):
            process(batch, owner, journal, _NOW)
    recipients: dict[str, str] = {}

    def post(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:  # noqa: ARG001 goes nowhere
        before_dot()
        recipients[entry.key] = recipient
        return "250 taken"

    for entry in journal.due(_NOW):
        deliver(entry, owner, journal, post, lambda: _NOW)
    entries = {entry.key: entry for entry in journal.entries(*State)}
    journal.rest()
    return entries, recipients


def _differences(sample: Sample, entries: dict[str, Entry], recipients: dict[str, str]) -> Iterator[str]:
    """What is otherwise than expected of a sample."""
    key, expected = mail_key(sample.raw), sample.expected
    verdict = (entries[key].judgement or {}).get("verdict", entries[key].state)
    if verdict != expected.verdict:
        yield f"{sample.name}: {verdict}, expected {expected.verdict}"
    if recipients.get(key) != expected.to:
        yield f"{sample.name}: answered to {recipients.get(key, 'nobody')}, expected {expected.to or 'nobody'}"


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep out of the log what is done with samples; before any other thread has something to say."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
