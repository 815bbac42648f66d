"""How fast the people index is built and asked: 100,000 mails and 5,000 contacts of an invented world.

    python -m bench.people [MAILS [CONTACTS]]

Prints mails a second from a local mbox, the time to store the index, the median look-up and the memory used.
"""

from __future__ import annotations

import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import records
from bench.measure import Measure, at_most, peak, slower
from gateway.config import EvidenceFiles, Me
from gateway.evidence import gather
from gateway.journal.index import PeopleIndex
from gateway.journal.store import open_file
from gateway.model import Note, NoteKind, Person
from gateway.people import Index, MemoryIndex, look_up

ME = Me(name="Mira Castellan", addresses=("mira@castellan.example",))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_GIVEN = "Ada Björn Chiara Daan Elif Farid Grażyna Hannes Ines Jürgen Kateřina Liam Mónica Nils Olga Piet Rosa".split()  # noqa: SIM905
_STARTS = "Ab Bel Cor Dun El Fal Gar Hol Ir Jas Kel Lor Mar Nor Os Pel Quin Ros Sal Tor Ul Ver Wal Xan Yor Zel".split()  # noqa: SIM905
_MIDDLES = "an be cha do er fi gu ha in ko li mo ne ol pa ri sa ti un va".split()  # noqa: SIM905
_ENDS = "berg dahl fort gate holm kamp land mont nova quist rath stein thorpe vale wick".split()  # noqa: SIM905
_MAILS, _CONTACTS = 100_000, 5_000
_NOTE = Note(NoteKind.DEFAULT, None)


def people(seed: random.Random, number: int) -> list[tuple[str, str]]:
    """Names and addresses, some sharing a name."""
    syllables = (_STARTS, _MIDDLES, _MIDDLES, _ENDS)
    names = [f"{seed.choice(_GIVEN)} {''.join(map(seed.choice, syllables))}" for _ in range(number)]
    return [(name, f"person{place}@firm{place % 997}.example") for place, name in enumerate(names)]


def mbox(seed: random.Random, crowd: list[tuple[str, str]], number: int, *, sent: bool) -> Iterator[str]:
    """Mails between the owner and the crowd, few people getting most of them."""
    body = "\n".join(["A line of some sixty characters, as they stand in the body."] * 30)
    for place in range(number):
        name, address = crowd[min(int(seed.expovariate(8 / len(crowd))), len(crowd) - 1)]
        when = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(hours=place)
        other, own = f'"{name}" <{address}>', "Mira Castellan <mira@castellan.example>"
        sender, recipient = (own, other) if sent else (other, own)
        yield (
            f"From {address} {when:%a %b %d %H:%M:%S %Y}\nReceived: from mx.example.org by castellan.example\n"
            f"From: {sender}\nTo: {recipient}\nDate: {when:%a, %d %b %Y %H:%M:%S} +0000\n"
            f"Subject: Minutes of meeting {place}\nMessage-ID: <{place}@example.org>\n\n{body}\n\n"
        )


def write(folder: Path, mails: int, contacts: int) -> tuple[EvidenceFiles, list[tuple[str, str]]]:
    seed = random.Random(20260101)
    crowd = people(seed, max(mails // 5, contacts))
    for name, sent in (("sent.mbox", True), ("inbox.mbox", False)):
        with (folder / name).open("w", encoding="utf-8") as file:
            file.writelines(mbox(seed, crowd, mails // 2, sent=sent))
    with (folder / "contacts.vcf").open("w", encoding="utf-8") as file:
        for name, address in crowd[-contacts:]:
            given, _, family = name.partition(" ")
            file.write(
                f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nN:{family};{given};;;\nEMAIL:{address}\nORG:Firm\nEND:VCARD\n"
            )
    files = EvidenceFiles(
        contacts=(folder / "contacts.vcf",), sent=(folder / "sent.mbox",), received=(folder / "inbox.mbox",)
    )
    return files, crowd


def measures() -> Iterator[Measure]:
    """The index out of a mailbox and an address book, and out of files in a process of its own."""
    with TemporaryDirectory(prefix="rsvpd-bench-") as name:
        files, _ = write(Path(name), 0, _CONTACTS)
        floor, taken = records.built(_MAILS, files.contacts)
    yield slower(f"people: index of {_MAILS} mails and {_CONTACTS} contacts, beside the headers", taken, floor, "s", 2)
    printed = subprocess.run([sys.executable, "-m", "bench.people"], capture_output=True, text=True, check=True).stdout
    yield at_most(
        "people: look-up, median", float(_found(r"look-up of people of the crowd: median ([\d.]+)", printed)), "ms", 1
    )
    yield at_most("people: memory", float(_found(r"after building: (\d+)", printed)), "MB", 150)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, f"{pattern} does not stand in {text}"
    return found[1]


def main() -> None:
    mails, contacts = (int(text) for text in (*sys.argv[1:3], *(str(_MAILS), str(_CONTACTS))[len(sys.argv) - 1 :]))
    with TemporaryDirectory() as name:
        folder = Path(name)
        files, crowd = write(folder, mails, contacts)
        idle = peak()
        index = PeopleIndex(open_file(folder / "journal" / "journal.db"), "mira")
        started = time.perf_counter()
        for found in gather(files, ME, NOW):
            read = time.perf_counter()
            index.replace(found.source, found.acquaintances, "", NOW)
            stored = time.perf_counter()
            times = f"read {read - started:6.2f} s, stored {stored - read:6.2f} s"
            print(f"{found.source:14} {len(found.acquaintances):6} people, {times}")
            started = stored
        print(f"memory after building: {peak():.0f} MB at most (before: {idle:.0f} MB)")
        asked = [Person(name=name) for name, _ in random.Random(1).sample(crowd, min(500, len(crowd)))]
        strangers = [Person(name=name) for name, _ in people(random.Random(2), 500)]
        for what, inviters in (("people of the crowd", asked), ("others", strangers)):
            print(f"look-up of {what}: {milliseconds(inviters, index)}")
        print(f"database: {(folder / 'journal' / 'journal.db').stat().st_size / 1e6:.1f} MB, {index.size()} records")
        memory_index = MemoryIndex(item for found in gather(files, ME, NOW) for item in found.acquaintances)
        print(f"look-up in memory: {milliseconds(asked, memory_index)}")


def milliseconds(inviters: list[Person], index: Index) -> str:
    """How long looking these up takes, one after the other."""
    times = []
    for inviter in inviters:
        started = time.perf_counter()
        look_up(inviter, _NOTE, index)
        times.append((time.perf_counter() - started) * 1e3)
    return f"median {statistics.median(times):.2f} ms, 95 % under {statistics.quantiles(times, n=20)[-1]:.2f} ms"


if __name__ == "__main__":
    main()
