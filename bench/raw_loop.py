"""The least that can listen for many owners in one process: imapclient and a selector, and no journal.

    python -m bench.raw_loop PORT CA_FILE < LOGINS

A line of LOGINS is a user and a password, parted by a tab. Prints "ready" when all idle, and for each mail it was woken
for and has read, its user and the moment, by the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import selectors
import ssl
import sys
import time
from typing import Any

from imapclient import IMAPClient

from tests.certificates import HOST


def main() -> None:
    port, trusted = int(sys.argv[1]), sys.argv[2]
    context = ssl.create_default_context(cafile=trusted)
    selector = selectors.DefaultSelector()
    for line in sys.stdin:
        user, password = line.rstrip("\n").split("\t")
        client = IMAPClient(HOST, port=port, ssl_context=context, timeout=60)
        client._imap.debug = 0  # or it formats every mail twice
        client.login(user, password)
        client.select_folder("INBOX")
        client.idle()
        selector.register(client.socket(), selectors.EVENT_READ, (user, client))
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            user, client = key.data
            _hear(user, client)


def _hear(user: str, client: Any) -> None:
    said = client.idle_check(timeout=0)
    exists = [response[0] for response in said if len(response) > 1 and response[1] == b"EXISTS"]
    if not exists:
        return
    client.idle_done()
    (uid,) = client.search([str(exists[-1])])
    assert client.fetch([uid], ["BODY.PEEK[]"])
    print(user, time.monotonic(), flush=True)
    client.idle()


if __name__ == "__main__":
    main()
