"""An SMTP server on loopback that keeps what it is given, and fails where it is told to."""

from __future__ import annotations

import socket
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.certificates import HOST, Certificate

# How the words with the token begin.
_BY_TOKEN = {"XOAUTH2": "user={}", "OAUTHBEARER": "n,a={},"}


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the test's mail servers."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """A mail as the SMTP server took it."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    peer: str = field(default="", compare=False)  # the address it came from
    at: float = field(default=0.0, compare=False)  # when the final dot was read, in seconds since 1970


@dataclass(slots=True)
class SmtpServer:
    """A submission server of one account.

    `faults` maps a step to what happens there instead of the usual:
    a reply ("451 later"); "cut", the connection ends before a reply; "stall", no reply ever comes.
    At the step "content" a reply is said out of turn, in one breath with the consent to the mail, which is not taken.
    At the step "dot" the mail of a "lost" reply is taken, that of a "dropped" one is not.
    Steps: connect, ehlo, starttls, auth, mail, rcpt, data, content, dot. A fault is used once, unless `lasting`.
    """

    login: Login
    certificate: Certificate
    implicit: bool = False
    offers_starttls: bool = True
    mechanisms: str = "PLAIN LOGIN"
    holder: Callable[[str], str | None] = lambda _token: None  # whose an access token is
    extensions: tuple[str, ...] = ("8BITMIME", "DSN")
    lasting: bool = False
    faults: dict[str, str] = field(default_factory=dict)
    delivered: list[Delivered] = field(default_factory=list)
    wire: list[bytes] = field(default_factory=list)  # each mail as it was on the wire, without the final dot
    heard: list[str] = field(default_factory=list)  # each command line
    at: dict[str, Callable[[str], None]] = field(default_factory=dict)  # called when a step is reached
    forward: Callable[[Delivered], None] | None = None  # who gets each mail that was taken
    port: int = 0
    host: str = HOST
    _listener: socket.socket | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._listener = socket.create_server((self.host, self.port), backlog=1000)
        self.port = self._listener.getsockname()[1]
        self._stopping.clear()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Hear no more; sessions that go on end with their clients."""
        self._stopping.set()
        if self._listener:
            # close() alone leaves a thread that waits in accept() there.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    @property
    def verbs(self) -> list[str]:
        """What the clients said, without arguments."""
        return [line.partition(" ")[0].upper() for line in self.heard]

    def fault(self, step: str) -> str | None:
        if step in self.at:
            self.at[step](step)
        return self.faults.get(step) if self.lasting else self.faults.pop(step, None)

    def wait_for_the_end(self) -> None:
        self._stopping.wait()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, (peer, _) = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, peer), daemon=True).start()

    def _serve(self, client: socket.socket, peer: str) -> None:
        dialogue = _Dialogue(self, client, peer)
        with suppress(OSError, _Cut):
            dialogue.run()
        dialogue.close()


class _Cut(Exception):
    """The connection ends here."""


class _Dialogue:
    """One client's session."""

    def __init__(self, server: SmtpServer, client: socket.socket, peer: str) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server, self._client, self._file = server, client, client.makefile("rb")
        self._peer = peer
        self._tls = False
        self._known = False
        self._sender, self._recipients = "", []  # type: str, list[str]

    def run(self) -> None:
        if self._server.implicit:
            self._wrap()
        self._answer("connect", "220 sink.example ESMTP")
        while line := self._file.readline():
            heard = line.strip().decode("latin-1")
            self._server.heard.append(heard)
            verb, _, rest = heard.partition(" ")
            step = getattr(self, f"_{verb.lower()}", None)
            if step is None:
                self._say("502 5.5.1 what?")
            elif step(rest):
                return

    def close(self) -> None:
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self._client.close()

    def _wrap(self) -> None:
        self._client = self._server.certificate.context().wrap_socket(self._client, server_side=True)
        self._file = self._client.makefile("rb")
        self._tls = True

    def _say(self, text: str) -> None:
        self._client.sendall(text.encode() + b"\r\n")

    def _answer(self, step: str, usual: str) -> bool:
        """Say the usual, or what the test wants said; whether it was a yes."""
        return self._reply(self._server.fault(step) or usual)

    def _reply(self, reply: str) -> bool:
        if reply == "cut":
            raise _Cut
        if reply == "stall":
            self._server.wait_for_the_end()
            raise _Cut
        self._say(reply)
        return reply[0] in "23"

    def _ehlo(self, _rest: str) -> None:
        offers = ["sink.example", *self._server.extensions]
        if self._tls:
            offers.append(f"AUTH {self._server.mechanisms}")
        elif self._server.offers_starttls:
            offers.append("STARTTLS")
        self._answer("ehlo", "\r\n".join([f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]))

    def _starttls(self, _rest: str) -> None:
        if self._answer("starttls", "220 go ahead"):
            self._wrap()

    def _auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if not self._tls or mechanism.upper() not in self._server.mechanisms.split():
            self._say("504 5.5.4 not so")
            return
        self._known = self._is_known(mechanism.upper(), initial)
        self._answer("auth", "235 2.7.0 welcome" if self._known else "535 5.7.8 authentication failed")

    def _is_known(self, mechanism: str, initial: str) -> bool:
        account = self._server.login
        if mechanism in _BY_TOKEN:
            begin, _, rest = b64decode(initial).decode().partition("\1auth=Bearer ")
            known = begin == _BY_TOKEN[mechanism].format(account.user)
            if known and rest.endswith("\1\1") and self._server.holder(rest[:-2]) == account.user:
                return True
            self._ask("eyJzdGF0dXMiOiI0MDEifQ==")
            return False
        if mechanism == "LOGIN":
            return (self._ask("VXNlcm5hbWU6"), self._ask("UGFzc3dvcmQ6")) == (account.user, account.password)
        _, user, password = b64decode(initial).decode().split("\0")
        return (user, password) == (account.user, account.password)

    def _ask(self, prompt: str) -> str:
        self._say(f"334 {prompt}")
        return b64decode(self._file.readline()).decode()

    def _mail(self, rest: str) -> None:
        if not self._known:
            self._say("530 5.7.0 log in first")
        elif self._answer("mail", "250 2.1.0 ok"):
            self._sender = rest.partition(":")[2].split()[0].strip("<>")

    def _rcpt(self, rest: str) -> None:
        if self._answer("rcpt", "250 2.1.5 ok"):
            self._recipients.append(rest.partition(":")[2].split()[0].strip("<>"))

    def _data(self, _rest: str) -> None:
        # Said later, the interruption might reach the client before its dot, or after: the test would be of luck.
        interruption = self._server.fault("content")
        go_ahead = "354 go ahead" if interruption is None else f"354 go ahead\r\n{interruption}"
        if not self._answer("data", go_ahead):
            return
        lines = self._content()
        dot_at = time.time()
        if interruption is not None:
            return
        self._server.wire.append(b"".join(lines))
        reply = self._server.fault("dot") or "250 2.0.0 queued"
        if reply[0] == "2" or reply == "lost":
            raw = b"".join(line[1:] if line.startswith(b".") else line for line in lines)
            taken = Delivered(self._sender, tuple(self._recipients), raw, self._peer, dot_at)
            self._server.delivered.append(taken)
            if self._server.forward:
                self._server.forward(taken)
        self._reply("cut" if reply in ("lost", "dropped") else reply)
        self._sender, self._recipients = "", []

    def _content(self) -> list[bytes]:
        lines: list[bytes] = []
        while (line := self._file.readline()) != b".\r\n":
            if not line:
                raise _Cut  # no dot came: nothing was handed over
            lines.append(line)
        return lines

    def _rset(self, _rest: str) -> None:
        self._sender, self._recipients = "", []
        self._say("250 2.0.0 ok")

    def _quit(self, _rest: str) -> bool:
        self._say("221 2.0.0 bye")
        return True
