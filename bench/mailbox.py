"""Invented mailboxes, laid out once and copied for each measurement."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

from bench.judging import letters, notification
from tests.servers import Dovecot
from tests.submission import Login

SHARE = 10  # one mail in so many is a notification
_SEED = 20261124
_WORDS = "minutes draft agenda lunch harbour tide figure table review letter chapter slides budget".split()  # noqa: SIM905


def mails(number: int) -> Iterator[bytes]:
    """Notifications of as many people, between letters, newsletters and mails with a file of up to a megabyte."""
    chance = Random(_SEED)
    for place in range(number):
        if place % SHARE == 0:
            yield notification(text=True, name=f"Bob Stranger{letters(place)}", slug=f"bob-{place}")
        else:
            (kind,) = chance.choices((_letter, _newsletter, _with_file), weights=(87, 10, 3))
            yield kind(chance, place)


def _head(chance: Random, place: int, kind: str) -> str:
    return (
        f"From: Person {place % 500} <p{place % 500}@firm{place % 97}.example>\r\nTo: Ada Miller <ada@example.org>\r\n"
        f"Date: Mon, 03 Mar 2025 10:{place % 60:02}:00 +0000\r\nSubject: {chance.choice(_WORDS)} {place}\r\n"
        f"Message-ID: <{place}@firm{place % 97}.example>\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n"
    )


def _lines(chance: Random) -> str:
    words = " ".join(chance.choices(_WORDS, k=150))
    return "".join(f"{words[start : start + 70]}\r\n" for start in range(0, len(words), 70))


def _letter(chance: Random, place: int) -> bytes:
    pages = min(int(chance.paretovariate(1.2)), 60)
    return f"{_head(chance, place, 'text/plain')}\r\n{_lines(chance) * pages}".encode()


def _newsletter(chance: Random, place: int) -> bytes:
    rows = f'<tr><td style="padding:0 24px">{_lines(chance)}</td></tr>\r\n' * chance.randint(20, 60)
    return f"{_head(chance, place, 'text/html')}\r\n<html><body><table>{rows}</table></body></html>\r\n".encode()


def _with_file(chance: Random, place: int) -> bytes:
    file = base64.encodebytes(chance.randbytes(chance.randint(20_000, 700_000))).replace(b"\n", b"\r\n")
    text = f"--b\r\nContent-Type: text/plain\r\n\r\n{_lines(chance)}--b\r\n"
    kind = "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    head = _head(chance, place, 'multipart/mixed; boundary="b"')
    return f"{head}\r\n{text}{kind}".encode() + file + b"--b--\r\n"


def lay_out(folder: Path, number: int) -> Path:
    """A Maildir of so many mails, to be copied."""
    maildir = folder / f"maildir-{number}"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    for place, raw in enumerate(mails(number)):
        (maildir / "cur" / f"{1_700_000_000 + place}.M{place}.bench,S={len(raw)}:2,S").write_bytes(raw)
    return maildir


def mailbox(server: Dovecot, maildir: Path) -> Login:
    """A new mailbox with a copy of these mails, which the server has looked at once."""
    login = server.user()
    home = server.home(login)
    shutil.copytree(maildir, home / "Maildir", copy_function=os.link)
    owner = home.stat()
    for path in ((home / "Maildir"), *(home / "Maildir").rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    with server.client(login) as client:  # the index of the server is made at the first look
        uids = client.search(["NOT", "FROM", "nobody.example"])
        for start in range(0, len(uids), 1000):  # those of 50,000 mails do not go into one command
            client.fetch(uids[start : start + 1000], ["RFC822.SIZE"])
    return login


def left(server: Dovecot, login: Login) -> int:
    """How many mails are left in the inbox."""
    with server.client(login) as client:
        return len(client.search(["UNDELETED"]))
