"""The loop that gives each owner their rounds."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.service import Service, Watch
from tests.test_story import wait_for


@dataclass
class SlowRound:
    """A round that lasts until the test lets it end, and wants the next one in an hour."""

    name: str = "ada"
    begun: int = 0
    may_end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def run(self) -> float:
        self.begun += 1
        self.may_end.acquire()
        return 3600.0

    def socket(self) -> None:
        return None

    def close(self) -> None:
        pass


class NoLock:
    def release(self) -> None:
        pass


def test_what_happens_during_a_round_is_looked_at_after_it() -> None:
    slow = SlowRound()
    service = Service([Watch(cast("Any", slow), cast("Any", NoLock()))])
    running = threading.Thread(target=service.run)
    running.start()
    try:
        wait_for(lambda: slow.begun == 1, "the first round")
        service.wake_all()
        slow.may_end.release()
        wait_for(lambda: slow.begun == 2, "the second round")
    finally:
        service.stop()
        slow.may_end.release()
        running.join()
    assert slow.begun == 2
