"""From the delivery of an invitation to the answer that the mail server took, with no hold.

By IDLE, beside a client that only waits to hear of the mail; and by LMTP, where the mail is handed over, beside
Pigeonhole's vacation, with which the mail server answers by itself.
"""

from __future__ import annotations

import os
import signal
import smtplib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Measure, at_most, tell
from bench.vacation import Vacation
from tests.accounts import accounts
from tests.certificates import HOST, Certificate
from tests.notifications import MX, old_linkedin
from tests.servers import Dovecot, free_port, running
from tests.submission import Login, SmtpServer

_LETTERS = 100  # either way: of fewer there is no 99th percentile
_PATIENCE, _PAUSE = 60.0, 1.0  # seconds
_CONFIG = """\
[me]
name = "Ada Miller"
addresses = ["ada@example.org"]
[authentication]
authserv_id = "{mx}"
{accounts}[lmtp]
listen = "{host}:{port}"
[delivery]
mode = "send"
hold = "0s"
per_hour = 1000
per_day = 1000
per_domain = 1000
"""


@dataclass
class Scene:
    """An owner with a mailbox, a mail server, and a file."""

    folder: Path
    dovecot: Dovecot
    login: Login
    server: SmtpServer
    lmtp: int

    @property
    def config(self) -> Path:
        return self.folder / "ada.toml"

    def answered(self, address: str) -> bool:
        return any(address in letter.recipients for letter in self.server.delivered)

    @classmethod
    @contextmanager
    def set(cls) -> Iterator[Scene]:
        """All of it, for as long as the block lasts."""
        with TemporaryDirectory(prefix="rsvpd-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            (folder / "dovecot").mkdir()
            server = SmtpServer(Login("ada@example.org", "pass word"), Certificate.make(folder))
            server.start()
            with running(Dovecot(folder / "dovecot")) as dovecot:
                scene = cls(folder, dovecot, dovecot.user(), server, free_port())
                said = accounts(folder, dovecot, scene.login, server)
                scene.config.write_text(_CONFIG.format(mx=MX, accounts=said, host=HOST, port=scene.lmtp))
                yield scene
            server.stop()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The service, as soon as it listens."""
        log = self.folder / "rsvpd.log"
        environment = {**os.environ, "STATE_DIRECTORY": str(self.folder / "state")}
        with log.open("wb") as out:
            rsvpd = Path(sys.executable).with_name("rsvpd")
            service = subprocess.Popen([rsvpd, "run", self.config], env=environment, stderr=out)
        try:
            until(lambda: "event=listening" in log.read_text(), "the service")
            time.sleep(2)
            yield
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(_PATIENCE)


def measures() -> Iterator[Measure]:
    with Scene.set() as scene, scene.serving(), Vacation.set() as vacation:
        idle, by_idle, by_lmtp, by_vacation = [], [], [], []
        for number in range(_LETTERS):
            idle.append(heard(scene.dovecot))
            by_idle.append(_brought(scene, number))
            by_lmtp.append(_handed_over(scene, number))
            by_vacation.append(_answered_by_itself(vacation, number))
            if number % 20 == 19:
                tell(f"  {number + 1} letters: by IDLE {_median(by_idle):.0f} ms, by LMTP {_median(by_lmtp):.0f} ms")
        time.sleep(_PAUSE)  # a second answer would come soon
        answers = [address for letter in scene.server.delivered for address in letter.recipients]
    floor, worst = _median(idle), _percentile(idle)
    peer = _median(by_vacation), _percentile(by_vacation)
    yield at_most("arrival by IDLE: median above hearing of it", _median(by_idle) - floor, "ms", 25, floor=floor)
    yield at_most("arrival by IDLE: 99 % above hearing of it", _percentile(by_idle) - worst, "ms", 60, floor=worst)
    yield at_most("arrival by LMTP: median, beside vacation", _median(by_lmtp), "ms", 30, peer=peer[0])
    yield at_most("arrival by LMTP: 99 %, beside vacation", _percentile(by_lmtp), "ms", 100, peer=peer[1])
    yield at_most("arrival: lost", 2 * _LETTERS - len(set(answers)), "", 0)
    yield at_most("arrival: answered twice", len(answers) - len(set(answers)), "", 0)


def heard(dovecot: Dovecot) -> float:
    """Milliseconds until a client that idles is told of a mail."""
    other = dovecot.user()
    with dovecot.client(other) as client:
        client.select_folder("INBOX")
        client.idle()
        dovecot.deliver(other, old_linkedin("Olga Stranger", "olga@somewhere.example"))
        began = time.perf_counter()
        client.idle_check(timeout=_PATIENCE)
        taken = (time.perf_counter() - began) * 1e3
        client.idle_done()
        return taken


def _invitation(way: str, number: int) -> tuple[str, bytes]:
    """An address, and an invitation by somebody who has it."""
    address = f"olga{number}@{way}.example"
    return address, old_linkedin(f"Olga Stranger{way}{chr(97 + number // 26)}{chr(97 + number % 26)}", address)


def _brought(scene: Scene, number: int) -> float:
    """Milliseconds from the mailbox's taking a mail to the answer's."""
    address, raw = _invitation("idle", number)
    time.sleep(_PAUSE)  # until the service does nothing but listen
    scene.dovecot.deliver(scene.login, raw)
    began = time.perf_counter()
    until(lambda: scene.answered(address), f"the answer to {address}")
    return (time.perf_counter() - began) * 1e3


def _handed_over(scene: Scene, number: int) -> float:
    """Milliseconds from before a mail is handed over: an answer may be sooner than the word that it was taken."""
    address, raw = _invitation("lmtp", number)
    time.sleep(_PAUSE)
    began = time.perf_counter()
    with smtplib.LMTP(HOST, scene.lmtp) as client:
        client.sendmail("bounces@linkedin.com", ["ada@example.org"], raw)
    until(lambda: scene.answered(address), f"the answer to {address}")
    return (time.perf_counter() - began) * 1e3


def _answered_by_itself(vacation: Vacation, number: int) -> float:
    """The same of a mail server that answers whoever writes."""
    address, raw = _invitation("vacation", number)
    began = time.perf_counter()
    vacation.hand_over(address, raw)
    vacation.wait_for(address)
    return (time.perf_counter() - began) * 1e3


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.001)


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _percentile(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[-1]  # of these, and not of a worse day
