"""What people would use instead, doing as much of the work as it can: find the notifications, read them, move them.

scripts/bench-packages installs them; each runs in a process of its own, as its users run it. What it takes to start is
left out, as it is of ours.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import HOST
from tests.servers import Dovecot
from tests.submission import Login

_PYTHON = Path(__file__).parents[1] / ".venv-peers" / "bin"
_PATIENCE = 900  # seconds


@dataclass(frozen=True, slots=True)
class Job:
    """A mailbox to go through, and the port it is reached by."""

    server: Dovecot
    login: Login
    port: int
    folder: Path

    @property
    def trust(self) -> Path:
        return self.server.certificate.chain


Peer = Callable[[Job], float]  # the seconds it took


def _run(command: list[str], *, stdin: str = "") -> tuple[float, str]:
    """The seconds a command took, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr[-2000:]}"
    return time.perf_counter() - began, done.stdout


def _timed(command: list[str], *, idly: list[str]) -> float:
    """The seconds of a command without those of its start: ours is a service that runs already."""
    start, _ = _run(idly)
    whole, _ = _run(command)
    return whole - start


def _script(job: Job, imports: str, work: str) -> float:
    """The seconds from the connection to its end, of a script that has started."""
    text = f"""\
import ssl, time
{imports}
HOST, PORT, USER, PASSWORD = {HOST!r}, {job.port}, {job.login.user!r}, {job.login.password!r}
CONTEXT = ssl.create_default_context(cafile={str(job.trust)!r})
began = time.perf_counter()
{work}
print(time.perf_counter() - began)
"""
    _, printed = _run([str(_PYTHON / "python"), "-"], stdin=text)
    return float(printed)


def raw(job: Job) -> float:
    """No program but the protocol: what nobody can go below."""
    return _script(job, "import imaplib", _RAW)


_RAW = """\
with imaplib.IMAP4_SSL(HOST, PORT, ssl_context=CONTEXT) as client:
    client.login(USER, PASSWORD)
    client.create("Found")
    client.select()
    found = client.uid("SEARCH", 'FROM "linkedin.com"')[1][0].split()
    parts = [b",".join(found[start : start + 200]).decode() for start in range(0, len(found), 200)]
    for part in parts:
        client.uid("FETCH", part, "(BODY.PEEK[])")
    for part in parts:
        client.uid("MOVE", part, "Found")
"""


def naive(job: Job) -> float:
    """The loop that everybody writes first: fetch a mail, parse it, move it."""
    return _script(job, "import mailparser\nfrom imapclient import IMAPClient", _NAIVE)


_NAIVE = """\
with IMAPClient(HOST, port=PORT, ssl_context=CONTEXT) as client:
    client.login(USER, PASSWORD)
    client.create_folder("Found")
    client.select_folder("INBOX")
    for uid in client.search():
        mail = mailparser.parse_from_bytes(client.fetch(uid, ["BODY.PEEK[]"])[uid][b"BODY[]"])
        if any("linkedin.com" in address for _, address in mail.from_):
            client.move(uid, "Found")
"""


def imap_tools(job: Job) -> float:
    """imap-tools, with the search left to the server."""
    return _script(job, "from imap_tools import AND, MailBox", _IMAP_TOOLS)


_IMAP_TOOLS = """\
with MailBox(HOST, port=PORT, ssl_context=CONTEXT).login(USER, PASSWORD) as box:
    box.folder.create("Found")
    found = [mail for mail in box.fetch(AND(from_="linkedin.com"), mark_seen=False, bulk=200)]
    assert all(mail.subject and (mail.text or mail.html) for mail in found)
    box.move([mail.uid for mail in found], "Found")
"""


def imapautofiler(job: Job) -> float:
    """imapautofiler, with a rule on From."""
    config = job.folder / "imapautofiler.yml"
    config.write_text(f"""\
server:
  hostname: {HOST}
  port: {job.port}
  username: {job.login.user}
  password: "{job.login.password}"
  ca_file: {job.trust}
mailboxes:
  - name: INBOX
    rules:
      - headers:
          - name: from
            substring: linkedin.com
        action:
          name: move
          dest-mailbox: Found
""")
    with job.server.client(job.login) as client:
        client.create_folder("Found")
    program = str(_PYTHON / "imapautofiler")
    return _timed([program, "-c", str(config)], idly=[program, "--help"])


def imapfilter(job: Job) -> float:
    """imapfilter, which moves only and reads nothing."""
    config = job.folder / "imapfilter.lua"
    config.write_text(f"""\
options.timeout = 120
options.create = true
account = IMAP {{ server = '{HOST}', port = {job.port}, username = '{job.login.user}',
                 password = '{job.login.password}', ssl = 'auto' }}
found = account.INBOX:contain_from('linkedin.com')
found:move_messages(account.Found)
""")
    return _timed(["imapfilter", "-t", str(job.trust), "-c", str(config)], idly=["imapfilter", "-V"])


def sieve_filter(job: Job) -> float:
    """Pigeonhole's sieve-filter, on the server itself."""
    script = job.folder / "found.sieve"
    script.write_text('require "fileinto";\nif address :contains "from" "linkedin.com" { fileinto "Found"; }\n')
    script.chmod(0o644)
    with job.server.client(job.login) as client:
        client.create_folder("Found")
    configuration = str(job.server.folder / "dovecot.conf")
    command = ["sieve-filter", "-c", configuration, "-u", job.login.user, "-e", "-W", str(script), "INBOX"]
    return _timed(command, idly=["true"])  # which has no start to speak of: it opens the mailbox by itself
