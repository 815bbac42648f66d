"""The loop that gives each owner their rounds."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytest

from gateway import service as service_module
from gateway.config import Config
from gateway.errors import BadConfig
from gateway.roster import Roster
from gateway.service import Service, serve
from gateway.steps import Steps
from gateway.watches import Prepared, Watch
from tests.test_story import wait_for


@dataclass
class SlowRound:
    """A round that lasts until the test lets it end, and wants the next one in an hour."""

    name: str = "ada"
    host: str = "mail.example"
    every: float = 3600.0
    begun: int = 0
    ended_well: bool = False
    steps: Steps = field(default_factory=Steps)
    may_end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def config(self) -> Config:
        account = {"host": self.host, "user": "u", "password": {"env": "HOME"}}
        return Config.model_validate({"imap": account})

    def turn(self) -> float:
        self.begun += 1
        self.may_end.acquire()
        return self.every

    def call(self) -> None:
        pass

    def inherit(self, _other: SlowRound) -> None:
        pass

    def socket(self) -> None:
        return None

    def close(self) -> None:
        self.may_end.release()


@dataclass
class QuickRound(SlowRound):
    """A round that is over at once, and wants another."""

    every: float = 0.01

    def turn(self) -> float:
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


def test_who_is_made_ready_twice_is_served_once_by_what_is_newer() -> None:
    """Their file changed after they were taken from the table and before they were served."""
    first, later = watched(QuickRound()), watched(QuickRound())
    newer = later.round
    service = Service([])

    with serving(service):
        for watch in (first, later):
            service._wish(partial(service._use, Prepared(watches={"ada": watch})))
        wait_for(lambda: service.watches == [first] and first.round is newer, "the newer round")


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
        assert hear(told, "READY=1") == "READY=1\nSTATUS=1 owner served"
        for _ in range(3):
            hear(told, "WATCHDOG=1")
    hear(told, "STOPPING=1")


@pytest.mark.parametrize(
    ("owners", "whom"),
    [
        (["ada"], "1 owner: ada (draft)"),
        (["ada", "bo"], "2 owners: ada (draft), bo (draft)"),
        (["o"] * 1000, "1,000 owners"),
    ],
)
def test_the_log_says_when_it_started_for_whom_and_when_it_stopped(
    owners: list[str], whom: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway")
    service = Service([watched(QuickRound(name)) for name in owners])

    with serving(service):
        wait_for(lambda: bool(caplog.messages), "the start")
        assert caplog.messages == [f"rsvpd {version('rsvpd')} serves {whom}"]

    assert caplog.messages[1:] == ["rsvpd stopped, and no round was cut off"]


def test_a_round_without_end_starves_the_watchdog(told: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setattr(service_module, "STUCK", 0.5)

    with serving(Service([watched(SlowRound())])):
        hear(told, "WATCHDOG=1")
        told.settimeout(2)
        with pytest.raises(TimeoutError):
            hear(told, "a word that is never said")


def test_what_no_owner_asks_for_is_not_in_memory() -> None:
    command = [sys.executable, "-c", "import sys, gateway.service; print(*sys.modules)"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"aiosmtpd", "psycopg", "lxml", "css_inline", "prometheus_client", "icalendar"} == set()


# Whose settings


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


def test_where_nobody_can_be_served_every_file_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("ada", "bea"):
        (tmp_path / f"{name}.toml").write_text("[me")

    with pytest.raises(BadConfig) as last:
        serve(Roster([tmp_path]))

    told = " ".join((*caplog.messages, str(last.value)))
    assert all(f"{tmp_path}/{name}.toml: is not TOML" in told for name in ("ada", "bea"))


def test_a_folder_without_files_is_an_error_and_what_an_editor_leaves_is_no_file(tmp_path: Path) -> None:
    for name in (".#ada.toml", "ada.toml~", "notes.txt"):
        (tmp_path / name).write_text("")

    with pytest.raises(BadConfig, match=r"there is no \.toml file in this folder"):
        Roster([tmp_path]).files()
