"""How fast an archive is replayed: `python -m bench.replay [MAILS]`; one core, an mbox of generated notifications.

The owner has 2,000 people in the address book; every other inviter is one of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from gateway.archive import mails
from gateway.config import Config
from gateway.owner import for_comparison, for_reading
from gateway.page import page
from gateway.replay import Count, replay
from tests.notifications import MX, linkedin, old_linkedin, reminder

PEOPLE = 4_000
NOTE = (
    "Hi Ada, we met at the workshop in Lyon and talked about pollinators. It would be good to stay in touch. Best, {}"
)


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_archive(folder / "archive.mbox", number)
        _write_book(folder / "book.vcf")
        config = Config.model_validate(
            {
                "me": {"name": "Ada Miller", "addresses": "ada@example.org", "topics": "pollinators"},
                "evidence": {"contacts": str(folder / "book.vcf")},
                "authentication": {"authserv_id": MX},
            }
        )
        _measure(folder / "archive.mbox", config)


def _measure(box: Path, config: Config) -> None:
    other = Config.model_validate({"policy": {"preset": "one-good-reason"}})
    owner, _ = for_reading(config)
    for what, against in (("one policy", None), ("two policies", for_comparison(owner, config, other))):
        began, count = time.process_time(), Count()
        rows = list(replay(mails(box, print), owner, count, against=against))
        taken = time.process_time() - began
        print(f"{what}: {count.mails} mails, {len(rows)} invitations, {taken:.1f} s, {count.mails / taken:.0f} mails/s")
    began = time.process_time()
    text = page(rows, count, policies=["ada.toml", "other.toml"])
    print(f"page of the comparison: {len(text) / 1e6:.1f} MB in {time.process_time() - began:.1f} s")


def _write_archive(box: Path, number: int) -> None:
    with box.open("wb") as file:
        for place in range(number):
            file.write(b"From x Mon Nov 23 08:00:00 2026\n" + _mail(place).replace(b"\r\n", b"\n") + b"\n")


def _mail(place: int) -> bytes:
    name = _person(place % PEOPLE)
    if place % 5 == 0:
        return old_linkedin(name, f"p{place}@example.net")
    if place % 5 == 1:
        return reminder(name)
    return linkedin(name, note=NOTE.format(name)) if place % 5 == 2 else linkedin(name)


def _person(number: int) -> str:
    letters = "".join(chr(ord("a") + number // 26**power % 26) for power in range(3))
    return f"Person{letters} Name{letters[::-1]}"


def _write_book(book: Path) -> None:
    cards = (
        f"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{_person(number)}\r\nEMAIL:p{number}@example.com\r\nEND:VCARD\r\n"
        for number in range(0, PEOPLE, 2)
    )
    book.write_text("".join(cards), newline="")


if __name__ == "__main__":
    main()
