"""The units, as systemd itself reads them; `make boot` proves what they do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import smtp
from gateway.service import HUNG, STUCK

FOLDER = Path(__file__).parents[1] / "systemd"
UNITS = sorted(FOLDER.rglob("*.service"))
SYSTEM = [unit for unit in UNITS if unit.parent == FOLDER]
MOST_EXPOSED = 1.1  # of 10; what is left is the network, and that it reads the machine's own /usr
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


def name(unit: Path) -> str:
    return str(unit.relative_to(FOLDER))


def settings(unit: Path) -> dict[str, list[str]]:
    """The settings of [Service]; one may be given more than once."""
    found: dict[str, list[str]] = {}
    section = unit.read_text().partition("[Service]\n")[2].partition("\n[Install]")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path, tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("rsvpd"))
    here = tmp_path / unit.name
    here.write_text(re.sub(r"(/opt/rsvpd|%h/\.local)/bin/rsvpd", program, unit.read_text()))
    user = ["--user"] if unit not in SYSTEM else []

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *user, here],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", SYSTEM, ids=name)
def test_little_could_be_done_through_it(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )

    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("unit", UNITS, ids=name)
def test_a_faulty_configuration_is_not_started_again_and_again_and_all_else_is(unit: Path) -> None:
    has = settings(unit)

    assert has["Restart"] == ["on-failure"]
    assert "78" in has["RestartPreventExitStatus"][0].split()
    assert "StartLimitIntervalSec=0" in unit.read_text()


@pytest.mark.parametrize("unit", UNITS, ids=name)
def test_systemd_hears_that_it_is_ready_and_that_it_lives(unit: Path) -> None:
    has = settings(unit)

    assert has["Type"] == ["notify"]
    assert has["WatchdogSec"] == ["120"]
    assert "HUP" in has["ExecReload"][0]


def test_no_wait_that_is_in_order_ends_in_a_new_start() -> None:
    assert smtp.LONGEST_WAIT < HUNG < STUCK


@pytest.mark.parametrize("unit", UNITS, ids=name)
def test_a_stop_waits_for_the_mail_servers_word(unit: Path) -> None:
    assert float(settings(unit)["TimeoutStopSec"][0]) > smtp.LONGEST_WAIT


def test_owners_do_not_share_a_user_nor_a_password() -> None:
    has = settings(FOLDER / "rsvpd@.service")

    assert has["DynamicUser"] == ["yes"]
    assert has["User"] == ["rsvpd-%i"]
    assert all(value.endswith("-%i") for value in has["LoadCredential"] + has["LoadCredentialEncrypted"])


def test_the_two_ways_to_serve_a_machine_are_hardened_alike() -> None:
    own = {"ExecStart", "User", "StateDirectory", "ConfigurationDirectory", "MemoryMax", "LimitNOFILE"}
    own |= {"LoadCredential", "LoadCredentialEncrypted", "TasksMax"}

    one, every = ({key: value for key, value in settings(unit).items() if key not in own} for unit in SYSTEM)

    assert one == every
