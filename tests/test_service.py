"""The loop that gives each owner their rounds."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from gateway import service as service_module
from gateway.config import Config
from gateway.errors import BadConfig, MailboxFailed
from gateway.roster import Roster
from gateway.service import WORKERS, Service, Watch
from gateway.state import open_journal
from tests.test_story import Owner, owner, wait_for

__all__ = ["owner"]  # the fixture


@dataclass
class SlowRound:
    """A round that lasts until the test lets it end, and wants the next one in an hour."""

    name: str = "ada"
    host: str = "mail.example"
    every: float = 3600.0
    begun: int = 0
    may_end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def config(self) -> Config:
        account = {"host": self.host, "user": "u", "password": {"env": "HOME"}}
        return Config.model_validate({"imap": account})

    def run(self) -> float:
        self.begun += 1
        self.may_end.acquire()
        return self.every

    def socket(self) -> None:
        return None

    def close(self) -> None:
        self.may_end.release()


@dataclass
class QuickRound(SlowRound):
    """A round that is over at once, and wants another."""

    every: float = 0.01

    def run(self) -> float:
        self.begun += 1
        return self.every


class NoLock:
    def release(self) -> None:
        pass


def watched(work: SlowRound) -> Watch:
    return Watch(cast("Any", work), cast("Any", NoLock()))


@contextmanager
def serving(service: Service) -> Iterator[None]:
    running = threading.Thread(target=service.run)
    running.start()
    try:
        yield
    finally:
        service.stop()
        for watch in service.watches:
            watch.round.close()
        running.join(30)
        assert not running.is_alive()


def test_what_happens_during_a_round_is_looked_at_after_it() -> None:
    slow = SlowRound()
    service = Service([watched(slow)])

    with serving(service):
        wait_for(lambda: slow.begun == 1, "the first round")
        service.wake_all()
        slow.may_end.release()
        wait_for(lambda: slow.begun == 2, "the second round")


def test_a_server_that_keeps_its_clients_waiting_delays_nobody_elses_mail() -> None:
    stuck = [SlowRound(f"stuck{number}", "frozen.example") for number in range(3 * WORKERS)]
    well = QuickRound("ada")
    service = Service([*map(watched, stuck), watched(well)])

    with serving(service):
        wait_for(lambda: well.begun > 20, "rounds of the healthy")
        met = sum(work.begun for work in stuck)

    assert met == 8


@dataclass
class FailingRound(SlowRound):
    """A round on a server of its own that fails at once, and afterwards keeps its worker waiting."""

    def run(self) -> float:
        self.begun += 1
        if self.begun == 1:
            raise MailboxFailed("it is away")
        self.may_end.acquire()
        return self.every


def test_owners_who_failed_leave_workers_for_those_who_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "FIRST_BACKOFF", 0.01)
    failing = [FailingRound(f"f{number}", f"f{number}.example") for number in range(2 * WORKERS)]
    well = QuickRound("ada")
    service = Service([*map(watched, failing), watched(well)])

    with serving(service):
        wait_for(lambda: sum(work.begun == 2 for work in failing) == WORKERS // 2, "the second try of half as many")
        before = well.begun
        wait_for(lambda: well.begun > before + 20, "rounds of the healthy")

        assert sum(work.begun == 2 for work in failing) == WORKERS // 2


# What systemd is told


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield ear


def hear(ear: socket.socket, what: str) -> str:
    while what not in (said := ear.recv(4096).decode()):
        pass
    return said


def test_systemd_is_told_of_the_start_of_going_on_and_of_the_end(
    told: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    with serving(Service([watched(QuickRound())])):
        assert hear(told, "READY=1") == "READY=1\nSTATUS=1 owners"
        for _ in range(3):
            hear(told, "WATCHDOG=1")
    hear(told, "STOPPING=1")


def test_a_round_without_end_starves_the_watchdog(told: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setattr(service_module, "_STUCK", 0.5)

    with serving(Service([watched(SlowRound())])):
        hear(told, "WATCHDOG=1")
        told.settimeout(2)
        with pytest.raises(TimeoutError):
            hear(told, "a word that is never said")


# Settings that change


def test_a_changed_file_counts_at_the_signal_and_a_faulty_one_leaves_the_old_in_force(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = owner.config(hold="1h")
    assert config.path
    service = Service([service_module.watch(config)], Roster([owner.folder]))
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    with serving(service):
        wait_for(lambda: service.listens, "listening")
        config.path.write_text(config.path.read_text().replace('hold = "1h"', 'hold = "nonsense"'))
        service.reload()
        wait_for(lambda: "hold" in (open_journal(config).fact("faulty-settings") or ""), "the fault")
        kept = service.watches[0].round.config.delivery.hold

        changed = owner.config(hold="2h")
        service.reload()
        wait_for(lambda: service.watches[0].round.config.delivery.hold == changed.delivery.hold, "the change")
        wait_for(lambda: service.listens, "listening with the new settings")

    assert kept == config.delivery.hold
    assert open_journal(config).fact("faulty-settings") is None


def test_owners_come_and_go_with_their_files(owner: Owner) -> None:
    config = owner.config()
    assert config.path
    service = Service([service_module.watch(config)], Roster([owner.folder]))

    with serving(service):
        wait_for(lambda: service.listens, "listening")
        config.path.with_name("bea.toml").write_text(config.path.read_text())
        service.reload()
        wait_for(lambda: [watch.name for watch in service.watches] == ["ada", "bea"], "the second owner")
        config.path.unlink()
        service.reload()
        wait_for(lambda: [watch.name for watch in service.watches] == ["bea"], "the first to go")


def test_two_files_of_one_owner_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ada.toml").write_text("")

    with pytest.raises(BadConfig, match="give one of them another name"):
        Roster([tmp_path / "one", tmp_path / "two"]).files()


def test_a_faulty_file_among_others_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "ada.toml").write_text("")
    (tmp_path / "bea.toml").write_text("[me")

    configs, faults = Roster([tmp_path]).read()

    assert [config.owner for config in configs] == ["ada"]
    assert list(faults) == ["bea"]
