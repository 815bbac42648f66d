"""Reading whom the owner knows out of an IMAP mailbox, beside a bare fetch of the same headers.

    python -m bench.records [MAILS]

Starts a Dovecot of its own (as the tests do) and fills a Sent folder.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from gateway.config import Config, Dav
from gateway.evidence.correspondence import FIELDS
from gateway.imap import Session, connect
from gateway.journal import Journal
from gateway.journal.index import PeopleIndex
from gateway.journal.store import open_file
from gateway.records import THREAD, Records
from tests.certificates import HOST
from tests.servers import Dovecot, running
from tests.submission import Login

ROUNDS = 3


def fill(server: Dovecot, login: Login, mails: int) -> None:
    """Mails to a thousand people, in one MULTIAPPEND after the other."""
    chance = Random(20261123)
    with server.client(login) as client:
        for start in range(0, mails, 500):
            batch = []
            for number in range(start, min(start + 500, mails)):
                who = int(chance.expovariate(8) * 1000) % 1000
                head = f"From: ada@example.org\r\nTo: Person {who} Name{who} <p{who}@firm{who % 97}.example>\r\n"
                date = f"Date: Mon, 03 Mar 2025 10:{number % 60:02}:00 +0000\r\n"
                body = "A line of a letter as long as lines of letters are.\r\n" * 30
                text = f"{head}{date}Subject: Minutes {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\n{body}"
                batch.append(text.encode())
            client.multiappend("Sent", batch)


def built(mails: int, contacts: Sequence[Path | Dav] = (), rounds: int = ROUNDS) -> tuple[float, float]:
    """Seconds of a bare fetch of the headers, and of making the index of them and of address books; medians, in turns.

    The journal has a folder of its own: where others may read the server's, none is opened.
    """
    with (
        TemporaryDirectory(prefix="rsvpd-bench-") as folder,
        TemporaryDirectory(prefix="rsvpd-bench-") as own,
        running(Dovecot(Path(folder))) as server,
    ):
        login = server.user()
        fill(server, login, mails)
        config = Config.model_validate(
            {
                "me": {"name": "Ada Miller", "addresses": "ada@example.org"},
                "evidence": {"contacts": contacts},
                "imap": {
                    "host": HOST,
                    "port": server.imaps_port,
                    "user": login.user,
                    "password": {"command": f"printf '%s' '{login.password}'"},
                    "ca_file": str(server.certificate.chain),
                },
            }
        )
        assert config.imap is not None
        session = connect(config.imap, config.imap.secret)
        bare, ours = [], []
        for turn in range(rounds):
            bare.append(_bare(session))
            ours.append(_indexed(session, config, Path(own, f"{turn}.sqlite")))
        return statistics.median(bare), statistics.median(ours)


def main() -> None:
    mails = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    floor, taken = built(mails)
    print(f"{mails} mails: bare header fetch {floor:.2f} s, people index {taken:.2f} s, ratio {taken / floor:.2f}")


def _bare(session: Session) -> float:
    began = time.perf_counter()
    session.select("Sent")
    count = sum(1 for _ in session.headers(session.uids(since=1), (*FIELDS, *THREAD)))
    assert count
    return time.perf_counter() - began


def _indexed(session: Session, config: Config, file: Path) -> float:
    journal = Journal(open_file(file), "me")
    records = Records(config, PeopleIndex(journal.store, "me"), journal, lambda: datetime(2026, 11, 23, tzinfo=UTC))
    began = time.perf_counter()
    records.refresh(session)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
