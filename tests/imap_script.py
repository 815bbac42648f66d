"""An IMAP server on loopback that says what the test wrote down, for what no real server can be brought to say."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from tests.certificates import HOST, Certificate

CUT = ""  # the connection ends here
_USUAL = {
    "AUTHENTICATE": "+ \r\n{tag} OK welcome\r\n",
    "LIST": '* LIST (\\HasNoChildren) "/" INBOX\r\n{tag} OK listed\r\n',
    "SELECT": (
        "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] \r\n* OK [UIDNEXT 2] \r\n"
        "* OK [PERMANENTFLAGS (\\Seen \\*)] \r\n{tag} OK [READ-WRITE] selected\r\n"
    ),
    "IDLE": "+ idling\r\n",
}


@dataclass(slots=True)
class ScriptedImap:
    """`script` maps a command to the answer; one of several parts is continued when `go_on` is set."""

    certificate: Certificate
    script: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    capabilities: str = "IMAP4rev1 AUTH=PLAIN IDLE MOVE UIDPLUS"
    greeting: str = "* OK ready\r\n"
    implicit: bool = True
    heard: list[str] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def start(self) -> None:
        listener = socket.create_server((HOST, 0))
        self.port = listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError), listener, listener.accept()[0] as client:
            if not self.implicit:
                self._converse(client)
                return
            with self.certificate.context().wrap_socket(client, server_side=True) as secured:
                self._converse(secured)

    def _converse(self, client: socket.socket) -> None:
        client.sendall(self.greeting.encode())
        lines = client.makefile("rb")
        while line := lines.readline():
            heard = line.decode("latin-1").rstrip("\r\n")
            self.heard.append(heard)
            tag, _, command = heard.partition(" ")
            if not command:  # the rest of a command that was answered already
                continue
            answer = self._answer(command)
            if not self._say(client, tag, answer):
                return

    def _answer(self, command: str) -> tuple[str, ...]:
        words = command.upper().split()
        verb = " ".join(words[:2]) if words[0] == "UID" else words[0]
        if verb == "CAPABILITY":
            return (f"* CAPABILITY {self.capabilities}\r\n{{tag}} OK told\r\n",)
        answer = {**_USUAL, **self.script}.get(verb, "{tag} OK done\r\n")
        return answer if isinstance(answer, tuple) else (answer,)

    def _say(self, client: socket.socket, tag: str, parts: tuple[str, ...]) -> bool:
        for number, part in enumerate(parts):
            if number:
                self.go_on.wait()
            if part == CUT:
                return False
            client.sendall(part.replace("{tag}", tag).encode())
        return True
