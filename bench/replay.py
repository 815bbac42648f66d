"""How fast an archive is replayed: `python -m bench.replay [MAILS]`; one core, an mbox of generated notifications."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from gateway.archive import mails
from gateway.config import Config
from gateway.owner import for_reading
from gateway.replay import Count, replay
from tests.notifications import MX, linkedin, old_linkedin


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    settings = {"me": {"name": "Ada Miller", "addresses": "ada@example.org"}, "authentication": {"authserv_id": MX}}
    owner, _ = for_reading(Config.model_validate(settings))
    with tempfile.TemporaryDirectory() as folder:
        box = Path(folder, "archive.mbox")
        with box.open("wb") as file:
            for place in range(number):
                name = f"Person{place % 5000} Name"
                raw = linkedin(name) if place % 3 else old_linkedin(name, f"p{place}@example.net")
                file.write(b"From x Mon Nov 23 08:00:00 2026\n" + raw.replace(b"\r\n", b"\n") + b"\n")
        began, count = time.process_time(), Count()
        rows = list(replay(mails(box), owner, count))
        taken = time.process_time() - began
    print(f"{count.mails} mails, {len(rows)} invitations: {taken:.1f} s, {count.mails / taken:.0f} mails/s")


if __name__ == "__main__":
    main()
