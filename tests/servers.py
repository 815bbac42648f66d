"""A real Dovecot (IMAP and LMTP) on loopback, which can be stopped, killed, frozen and robbed of its memory."""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import shutil
import signal
import smtplib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from imapclient import IMAPClient

from tests.certificates import HOST, Certificate
from tests.submission import Login

_PATIENCE = 20.0  # seconds a server has to start
_FIRST_UID = 20000  # of the users of a Dovecot that root starts
_CAPABILITIES = "IMAP4rev1 LITERAL+ MULTIAPPEND ID ENABLE IDLE NAMESPACE UIDPLUS MOVE SPECIAL-USE CHILDREN CONDSTORE"
_CONFIG = """\
protocols = imap lmtp
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = yes
ssl_cert = <{certificate.chain}
ssl_key = <{certificate.key}
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {group}
first_valid_uid = 1
mail_max_userip_connections = 1000
mail_location = maildir:~/Maildir
mailbox_idle_check_interval = 2 secs
auth_cache_size = 0
auth_failure_delay = 0
{extra}
# A file for each user: a common one would be read again only a second after a user was added.
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users/%u
}}
userdb {{
  driver = passwd-file
  args = {folder}/users/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = {host}
    port = {imap_port}
  }}
  inet_listener imaps {{
    address = {host}
    port = {imaps_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  # All come from one address: a wrong password in one test would slow down the next.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = {here}
    port = {lmtp_port}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Dovecot:
    """A Dovecot of the test's own, with TLS and LMTP.

    `without` are capabilities it does not offer, `separator` and `prefix` how its folders are named, `extra` is
    more of its configuration. Started by root, it keeps the mail of each user as a Unix user of its own, which
    must be able to enter `folder`: notices of new mail are limited to 128 a Unix user. IMAP is at `host`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        without: tuple[str, ...] = (),
        separator: str = "/",
        prefix: str = "",
        extra: str = "",
        host: str = HOST,
    ) -> None:
        self.folder, self.host = folder, host
        self.certificate = Certificate.make(folder, host=host)
        self.imap_port, self.imaps_port, self.lmtp_port = free_port(), free_port(), free_port()
        (folder / "users").mkdir()
        (folder / "mail").mkdir()
        self._as_root = os.geteuid() == 0
        self._next_uid = _FIRST_UID
        if self._as_root:
            folder.chmod(0o755)
        if without:
            offered = " ".join(name for name in _CAPABILITIES.split() if name not in without)
            extra += f"\nimap_capability = {offered}"
        me = pwd.getpwuid(os.geteuid())
        text = _CONFIG.format(
            folder=folder,
            certificate=self.certificate,
            host=host,
            here=HOST,
            internal="dovecot" if self._as_root else me.pw_name,
            login="dovenull" if self._as_root else me.pw_name,
            group="dovecot" if self._as_root else grp.getgrgid(os.getegid()).gr_name,
            imap_port=self.imap_port,
            imaps_port=self.imaps_port,
            lmtp_port=self.lmtp_port,
            separator=separator,
            prefix=prefix,
            extra=extra,
        )
        (folder / "dovecot.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        path = self.folder / "dovecot.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        """Of the process that all others are children of."""
        assert self._process, "it does not run"
        return self._process.pid

    def start(self) -> None:
        dovecot = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
        assert dovecot, "dovecot is not installed; run scripts/test-packages"
        command = [dovecot, "-F", "-c", str(self.folder / "dovecot.conf")]
        # A session of its own makes it a process group that can be killed and frozen as a whole.
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection((self.host, self.imaps_port), timeout=1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        errors = self._process.stderr.read().decode() if self._process.stderr and self._process.poll() else ""
        raise RuntimeError(f"dovecot did not start: {errors}{self.log}")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The power fails."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It is there, and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            os.killpg(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(number)
        self._process.wait(_PATIENCE)
        if self._process.stderr:
            self._process.stderr.close()
        self._process = None

    def user(self, name: str | None = None, *, password: str | None = None) -> Login:
        """A new mailbox."""
        login = Login(
            name or f"{secrets.token_hex(4)}@example.org", password or f"correct horse {secrets.token_hex(4)}"
        )
        home = self.home(login)
        home.mkdir()
        uid, gid = os.geteuid(), os.getegid()
        if self._as_root:
            self._next_uid += 1
            uid = gid = self._next_uid
            os.chown(home, uid, gid)
        entry = f"{login.user}:{login.password}:{uid}:{gid}::{home}\n"
        (self.folder / "users" / login.user).write_text(entry)
        return login

    def deliver(self, login: Login, raw: bytes) -> None:
        """Hand a mail over by LMTP, as the owner's mail server does."""
        with smtplib.LMTP(HOST, self.lmtp_port) as lmtp:
            lmtp.sendmail("bounce@example.net", [login.user], raw)

    def drop(self, login: Login, raw: bytes) -> None:
        """Put a mail into a mailbox of which no folder was made yet, or all were; at a hundredth of the cost."""
        maildir, name = self.home(login) / "Maildir", f"{time.time():.6f}.{secrets.token_hex(8)}.dropped"
        owner = self.home(login).stat()
        for folder in (maildir, *(maildir / part for part in ("tmp", "new", "cur"))):
            if not folder.exists():
                folder.mkdir(0o700)
                os.chown(folder, owner.st_uid, owner.st_gid)
        (maildir / "tmp" / name).write_bytes(raw)
        os.chown(maildir / "tmp" / name, owner.st_uid, owner.st_gid)
        (maildir / "tmp" / name).rename(maildir / "new" / name)

    @contextmanager
    def client(self, login: Login, folder: str = "INBOX") -> Iterator[IMAPClient]:
        """Another mail program of the owner's, in a folder."""
        with IMAPClient(self.host, port=self.imap_port, ssl=False, timeout=_PATIENCE) as client:
            client.login(login.user, login.password)
            client.select_folder(folder)
            yield client

    def mails(self, login: Login, folder: str = "INBOX") -> list[dict[bytes, Any]]:
        """What lies in a folder, by UID: FLAGS (but \\Recent) and BODY[]."""
        with self.client(login, folder) as client:
            found = client.fetch(client.search(), ["FLAGS", "BODY.PEEK[]"])
        return [{**item, b"FLAGS": set(item[b"FLAGS"]) - {b"\\Recent"}} for _, item in sorted(found.items())]

    def renumber(self, login: Login) -> None:
        """Number the mails of the inbox anew, under another UIDVALIDITY, as after a restored backup."""
        maildir = self.home(login) / "Maildir"
        uids = maildir / "dovecot-uidlist"
        header = uids.read_text("utf-8").split()
        validity = next(int(field[1:]) for field in header if field.startswith("V"))
        uids.write_text(f"3 V{validity + 1} N1\n", "utf-8")
        for index in maildir.glob("dovecot*index*"):
            index.unlink()

    def home(self, login: Login) -> Path:
        """Where the server keeps a user's mail."""
        return self.folder / "mail" / login.user


@contextmanager
def running(server: Dovecot) -> Iterator[Dovecot]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
