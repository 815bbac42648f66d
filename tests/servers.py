"""Real servers for the tests, on loopback: Dovecot (IMAP, LMTP), and an SMTP server that fails where it is told to."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import secrets
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
_PATIENCE = 20.0  # seconds a server has to start
_PASSWORD = "correct-horse"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate that signs for itself, so that its file is the authority clients trust, too."""

    chain: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, *, host: str = HOST) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        today = dt.datetime.now(dt.UTC)
        alternative: x509.GeneralName = x509.DNSName(host)
        if host == HOST:
            alternative = x509.IPAddress(ipaddress.ip_address(HOST))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(key, SHA256())
        )
        made = cls(folder / f"{host}.pem", folder / f"{host}.key")
        made.chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


_DOVECOT = """\
protocols = imap lmtp
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
mail_debug = no
ssl = yes
ssl_cert = <{certificate.chain}
ssl_key = <{certificate.key}
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {group}
first_valid_uid = 0
mail_location = maildir:{folder}/mail/%u
mailbox_idle_check_interval = 2 secs
auth_cache_size = 0
auth_failure_delay = 0
{extra}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = allow_all_users=yes uid={uid} gid={gid} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
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
}}
service lmtp {{
  inet_listener lmtp {{
    address = {host}
    port = {lmtp_port}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the test's mail servers."""

    user: str
    password: str


class Dovecot:
    """A Dovecot of the test's own, with TLS and LMTP; `extra` is more of its configuration."""

    def __init__(self, folder: Path, *, extra: str = "", separator: str = "/") -> None:
        self.folder = folder
        self.certificate = Certificate.make(folder)
        self.imap_port, self.imaps_port, self.lmtp_port = free_port(), free_port(), free_port()
        (folder / "mail").mkdir()
        me = os.geteuid() == 0
        text = _DOVECOT.format(
            folder=folder,
            certificate=self.certificate,
            host=HOST,
            internal="dovecot" if me else os.getlogin(),
            login="dovenull" if me else os.getlogin(),
            group="dovecot" if me else os.getgid(),
            uid="nobody" if me else os.getuid(),
            gid="nogroup" if me else os.getgid(),
            imap_port=self.imap_port,
            imaps_port=self.imaps_port,
            lmtp_port=self.lmtp_port,
            password=_PASSWORD,
            extra=extra,
            separator=separator,
        )
        if me:
            shutil.chown(folder / "mail", "nobody", "nogroup")
            folder.chmod(0o755)
        (folder / "dovecot.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        path = self.folder / "dovecot.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self) -> None:
        dovecot = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
        assert dovecot, "dovecot is not installed; run scripts/test-packages"
        command = [dovecot, "-F", "-c", str(self.folder / "dovecot.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection((HOST, self.imaps_port), timeout=1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        errors = self._process.stderr.read().decode() if self._process.stderr and self._process.poll() else ""
        raise RuntimeError(f"dovecot did not start: {errors}{self.log}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(_PATIENCE)
        if self._process.stderr:
            self._process.stderr.close()
        self._process = None

    def user(self, name: str | None = None) -> Login:
        """A new mailbox."""
        return Login(name or f"{secrets.token_hex(4)}@example.org", _PASSWORD)

    def deliver(self, login: Login, raw: bytes) -> None:
        """Hand a mail over by LMTP, as the owner's mail server does."""
        with smtplib.LMTP(HOST, self.lmtp_port) as lmtp:
            lmtp.sendmail("bounce@example.net", [login.user], raw)


@contextmanager
def running(server: Dovecot) -> Iterator[Dovecot]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True, slots=True)
class Delivered:
    """A mail as the SMTP server took it."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes


@dataclass(slots=True)
class SmtpServer:
    """An SMTP server that keeps what it is given, and fails where it is told to.

    `faults` maps a step to what happens there instead: a reply ("451 later"), "cut" (the connection ends before a
    reply) or, for the step "dot", "lost" (the mail is taken and the connection ends) and "dropped" (it is not).
    Steps: connect, ehlo, starttls, auth, mail, rcpt, data, dot. A fault is used once, unless `lasting`.
    """

    login: Login
    certificate: Certificate
    implicit: bool = False
    offers_starttls: bool = True
    lasting: bool = False
    faults: dict[str, str] = field(default_factory=dict)
    delivered: list[Delivered] = field(default_factory=list)
    wire: list[bytes] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    _listener: socket.socket | None = None

    def start(self) -> None:
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, _Cut), client:
            if self.implicit:
                client = self.certificate.context().wrap_socket(client, server_side=True)
            _Dialogue(self, client).run()

    def fault(self, step: str) -> str | None:
        return self.faults.get(step) if self.lasting else self.faults.pop(step, None)


class _Cut(Exception):
    """The connection ends here."""


class _Dialogue:
    """One client's session."""

    def __init__(self, server: SmtpServer, client: socket.socket) -> None:
        self._server, self._client, self._file = server, client, client.makefile("rb")
        self._tls = server.implicit
        self._known = False
        self._sender, self._recipients = "", []  # type: str, list[str]

    def run(self) -> None:
        self._answer("connect", "220 sink.example ESMTP")
        while line := self._file.readline():
            verb, _, rest = line.strip().decode("latin-1").partition(" ")
            step = getattr(self, f"_{verb.lower()}", None)
            if step is None:
                self._say("502 5.5.1 what?")
            elif step(rest):
                return

    def _say(self, text: str) -> None:
        self._client.sendall(text.encode() + b"\r\n")

    def _answer(self, step: str, usual: str) -> bool:
        """Say the usual, or what the test wants said; whether it was the usual."""
        fault = self._server.fault(step)
        if fault == "cut":
            self._client.shutdown(socket.SHUT_RDWR)
            raise _Cut
        self._say(fault or usual)
        return fault is None

    def _ehlo(self, _rest: str) -> None:
        offers = ["sink.example", "8BITMIME", "DSN"]
        if self._tls:
            offers.append("AUTH PLAIN LOGIN")
        elif self._server.offers_starttls:
            offers.append("STARTTLS")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        self._answer("ehlo", "\r\n".join(lines))

    def _starttls(self, _rest: str) -> None:
        if self._answer("starttls", "220 go ahead"):
            self._client = self._server.certificate.context().wrap_socket(self._client, server_side=True)
            self._file = self._client.makefile("rb")
            self._tls = True

    def _auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if not self._tls or mechanism.upper() != "PLAIN":
            self._say("504 5.5.4 not so")
            return
        _, user, password = b64decode(initial).decode().split("\0")
        self._known = (user, password) == (self._server.login.user, self._server.login.password)
        self._answer("auth", "235 2.7.0 welcome" if self._known else "535 5.7.8 authentication failed")

    def _mail(self, rest: str) -> None:
        if not self._known:
            self._say("530 5.7.0 log in first")
        elif self._answer("mail", "250 2.1.0 ok"):
            self._sender = rest.partition(":")[2].split()[0].strip("<>")

    def _rcpt(self, rest: str) -> None:
        if self._answer("rcpt", "250 2.1.5 ok"):
            self._recipients.append(rest.partition(":")[2].split()[0].strip("<>"))

    def _data(self, _rest: str) -> None:
        if not self._answer("data", "354 go ahead"):
            return
        lines: list[bytes] = []
        while (line := self._file.readline()) != b".\r\n":
            if not line:
                raise _Cut  # no dot came: nothing was handed over
            lines.append(line)
        self._server.wire.append(b"".join(lines))
        fault = self._server.faults.get("dot")
        if fault not in ("dropped", "cut") and not (fault or "").startswith(("4", "5")):
            raw = b"".join(line[1:] if line.startswith(b".") else line for line in lines)
            self._server.delivered.append(Delivered(self._sender, tuple(self._recipients), raw))
        if fault in ("dropped", "lost"):
            self._server.fault("dot")
            self._client.shutdown(socket.SHUT_RDWR)
            raise _Cut
        self._answer("dot", "250 2.0.0 queued")
        self._sender, self._recipients = "", []

    def _rset(self, _rest: str) -> None:
        self._sender, self._recipients = "", []
        self._say("250 2.0.0 ok")

    def _quit(self, _rest: str) -> bool:
        self._say("221 2.0.0 bye")
        return True
