"""The units, as systemd itself reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[1] / "systemd").glob("*.service"))
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_faulty_configuration_is_not_started_again_and_again(unit: Path) -> None:
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("RestartPreventExitStatus=")]

    assert "78" in line.split("=")[1].split()


def test_owners_do_not_share_a_user() -> None:
    template = next(unit for unit in UNITS if unit.name == "rsvpd@.service").read_text()

    assert "DynamicUser=yes" in template
    assert "User=rsvpd-%i" in template
