"""The units, as systemd itself reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[1] / "systemd").glob("*.service"))
USERS = Path(__file__).parents[1] / "systemd" / "user" / "rsvpd.service"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", [*UNITS, USERS], ids=lambda unit: f"{unit.parent.name}/{unit.name}")
def test_a_faulty_configuration_is_not_started_again_and_again(unit: Path) -> None:
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("RestartPreventExitStatus=")]

    assert "78" in line.split("=")[1].split()


def test_owners_do_not_share_a_user() -> None:
    template = next(unit for unit in UNITS if unit.name == "rsvpd@.service").read_text()

    assert "DynamicUser=yes" in template
    assert "User=rsvpd-%i" in template


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_exposes_no_more_than_it_must(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=11", str(unit)]  # tenths

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("unit", [*UNITS, USERS], ids=lambda unit: f"{unit.parent.name}/{unit.name}")
def test_a_unit_waits_for_readiness_is_watched_and_follows_its_files(unit: Path) -> None:
    lines = unit.read_text().splitlines()

    assert "Type=notify" in lines
    assert "WatchdogSec=120" in lines
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert "TimeoutStopSec=630" in lines  # longer than the longest wait for a mail server's word
