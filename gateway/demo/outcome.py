"""What became of the samples, and where that differs from what they expect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser

from gateway.config import Folders
from gateway.demo.embedded import EmbeddedImap
from gateway.demo.samples import Sample
from gateway.demo.sink import Letter, Sink
from gateway.filing import KEYWORD
from gateway.journal import Journal
from gateway.model import Entry, State, Verdict
from gateway.pipeline import mail_key

NOWHERE = "no folder"
_OURS = frozenset({KEYWORD, "\\Answered"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a sample."""

    sample: Sample
    entry: Entry | None  # None: the service left it alone
    folders: tuple[str, ...]
    flags: frozenset[str]
    letters: tuple[Letter, ...]
    notes: int = 0  # with a text to paste, beside the mails that need the owner

    @property
    def verdict(self) -> str:
        if self.entry is None:
            return Verdict.IGNORE
        return str((self.entry.judgement or {}).get("verdict", self.entry.state))

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(address for letter in self.letters for address in letter.recipients)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that can be seen of a demonstration from outside the service, at one moment."""

    outcomes: tuple[Outcome, ...]
    letters: tuple[Letter, ...]
    copies: int  # in the Sent folder, of what was sent
    unfinished: int  # entries that are still on their way


def look(samples: Sequence[Sample], journal: Journal, imap: EmbeddedImap, sink: Sink, folders: Folders) -> Scene:
    """What there is to see now."""
    names = (folders.inbox, folders.accept, folders.review, folders.declined)
    stored = [(name, mail) for name in names for mail in imap.mails(name)]
    entries = {entry.key: entry for entry in journal.entries(*State)}
    letters = tuple(sink.letters)
    answers = [(_header(letter.raw, "In-Reply-To"), letter) for letter in letters]
    notes = [_header(mail.raw, "In-Reply-To") for mail in imap.mails(folders.review)]
    outcomes = tuple(
        Outcome(
            sample,
            entries.get(mail_key(sample.raw)),
            tuple(name for name, mail in stored if mail.raw == sample.raw),
            frozenset(flag for _, mail in stored if mail.raw == sample.raw for flag in mail.flags),
            tuple(letter for answered, letter in answers if answered == _header(sample.raw, "Message-ID")),
            notes.count(_header(sample.raw, "Message-ID")),
        )
        for sample in samples
    )
    sent = {letter.raw for letter in letters}
    copies = sum(mail.raw in sent for mail in imap.mails(folders.sent or "Sent"))
    unfinished = sum(entry.state in _ON_THE_WAY for entry in entries.values())
    return Scene(outcomes, letters, copies, unfinished)


_ON_THE_WAY = (State.NEW, State.HELD, State.DUE, State.SENDING, State.DOT)


def _header(raw: bytes, name: str) -> str:
    return str(BytesHeaderParser().parsebytes(raw).get(name, "")).strip()


def differences(scene: Scene) -> tuple[str, ...]:
    """Each deviation from what the samples expect, in a sentence; empty when all is as it should be."""
    return tuple(_differences(scene))


def _differences(scene: Scene) -> Iterator[str]:
    for outcome in scene.outcomes:
        name, expected = outcome.sample.name, outcome.sample.expected
        if outcome.verdict != expected.verdict:
            yield f"{name}: the verdict is {outcome.verdict}, expected {expected.verdict}"
        if outcome.folders != (expected.folder,):
            yield f"{name}: lies in {' and '.join(outcome.folders) or NOWHERE}, expected {expected.folder}"
        wanted = (expected.to,) if expected.to else ()
        if outcome.recipients != wanted:
            yield f"{name}: answered to {_list(outcome.recipients)}, expected {_list(wanted)}"
        if outcome.notes != expected.paste:
            yield f"{name}: {outcome.notes} notes with a text to paste, expected {int(expected.paste)}"
        if expected.untouched and (outcome.flags or outcome.entry):
            yield f"{name}: was touched ({_list(sorted(outcome.flags))}), expected to be left alone"
        if foreign := sorted(outcome.flags - _OURS):
            yield f"{name}: was marked {_list(foreign)}, which only its owner may do"
    yield from _strays(scene)


def _strays(scene: Scene) -> Iterator[str]:
    answers = {letter for outcome in scene.outcomes for letter in outcome.letters}
    for letter in scene.letters:
        if letter not in answers:
            yield f"a mail to {_list(letter.recipients)} answers no sample"
    if scene.copies != len(scene.letters):
        yield f"the Sent folder has {scene.copies} copies of {len(scene.letters)} mails sent"
    if scene.unfinished:
        yield f"{scene.unfinished} mails are still being worked on"


def _list(addresses: Sequence[str]) -> str:
    return ", ".join(addresses) or "nobody"
