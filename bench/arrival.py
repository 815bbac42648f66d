"""From the delivery of an invitation to the answer that the mail server took, with no hold.

By IDLE, beside a client that only waits to hear of the mail; and by LMTP, where the mail is handed over.
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

from bench.measure import Measure, at_most
from tests.accounts import accounts
from tests.certificates import HOST, Certificate
from tests.notifications import MX, old_linkedin
from tests.servers import Dovecot, free_port, running
from tests.submission import Login, SmtpServer

_LETTERS = 50
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
            _until(lambda: "event=listening" in log.read_text(), "the service")
            time.sleep(2)
            yield
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(_PATIENCE)


def measures() -> Iterator[Measure]:
    with Scene.set() as scene:
        idle = [heard(scene.dovecot) for _ in range(_LETTERS)]
        with scene.serving():
            by_idle = [_answered(scene, "idle", number, _deliver(scene)) for number in range(_LETTERS)]
            by_lmtp = [_answered(scene, "lmtp", number, _hand_over(scene)) for number in range(_LETTERS)]
    floor, worst = _median(idle), _percentile(idle)
    yield at_most("arrival by IDLE: median above hearing of it", _median(by_idle) - floor, "ms", 25, floor=floor)
    yield at_most("arrival by IDLE: 99 % above hearing of it", _percentile(by_idle) - worst, "ms", 60, floor=worst)
    yield at_most("arrival by LMTP: median", _median(by_lmtp), "ms", 30)
    yield at_most("arrival by LMTP: 99 %", _percentile(by_lmtp), "ms", 100)
    yield at_most("arrival: lost", 2 * _LETTERS - len(scene.server.delivered), "", 0)


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


def _answered(scene: Scene, way: str, number: int, deliver: Callable[[Login, bytes], object]) -> float:
    """Milliseconds from a mail's acceptance to the answer's."""
    address = f"olga{number}@{way}.example"
    deliver(scene.login, old_linkedin(f"Olga Stranger{way}{chr(97 + number // 26)}{chr(97 + number % 26)}", address))
    began = time.perf_counter()
    _until(lambda: any(address in letter.recipients for letter in scene.server.delivered), f"the answer to {address}")
    return (time.perf_counter() - began) * 1e3


def _deliver(scene: Scene) -> Callable[[Login, bytes], object]:
    def deliver(login: Login, raw: bytes) -> None:
        time.sleep(_PAUSE)  # until the service does nothing but listen
        scene.dovecot.deliver(login, raw)

    return deliver


def _hand_over(scene: Scene) -> Callable[[Login, bytes], object]:
    def deliver(_login: Login, raw: bytes) -> None:
        with smtplib.LMTP(HOST, scene.lmtp) as client:
            client.sendmail("bounces@linkedin.com", ["ada@example.org"], raw)

    return deliver


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.001)


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _percentile(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[-1]
