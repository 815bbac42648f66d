"""The units under a real systemd: a Debian of its own in a container, booted, with rsvpd installed as README says.

    python -m tests.boot        (make boot)

Needs root, a Debian mirror and a package index. Prints a table; exits with 1 where something is not as it should be.
What is done inside stands in tests/boot/inside.py.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".boot"  # kept, so that the second time is quick
MACHINE = BUILD / "machine"
PACKAGES = "systemd,systemd-sysv,dbus,libnss-systemd,python3,python3-venv,ca-certificates"
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}  # by the Python they have, for which the wheels are built here
LEFT = (
    *("etc/rsvpd", "etc/credstore", "etc/credstore.encrypted", "var/log/journal"),
    *(f"var/lib/{folder}{name}" for folder in ("", "private/") for name in ("rsvpd", "rsvpd-owner")),
)
BUILD_NEEDS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
_PATIENCE = 600  # seconds for all that happens inside
_INSIDE = """\
[Unit]
Description=What tests/boot proves
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /root/inside.py
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
"""


def run(*command: object, **options: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]


def machine() -> None:
    """A minimal Debian, made once."""
    suite = SUITES.get(sys.version_info[:2])
    if suite is None:
        sys.exit(f"make boot needs one of Python {', '.join(f'{a}.{b}' for a, b in SUITES)}: no Debian has this one")
    if not (MACHINE / "made").exists():
        shutil.rmtree(MACHINE, ignore_errors=True)
        BUILD.mkdir(exist_ok=True)
        print(f"Making a Debian {suite} in {MACHINE} (some minutes, once) ...")
        made = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, MACHINE)
        run(*made, stdout=subprocess.DEVNULL)
        (MACHINE / "made").touch()


def install() -> None:
    """rsvpd as docs/install.md has it installed on a Debian server, word for word, but without a network."""
    wheels, source = MACHINE / "root" / "wheels", MACHINE / "root" / "rsvpd"
    for old in (wheels, source, MACHINE / "opt" / "rsvpd"):
        shutil.rmtree(old, ignore_errors=True)
    for old in (MACHINE / "usr/local/bin/rsvpd", *(MACHINE / "etc/systemd/system").glob("rsvpd*.service")):
        old.unlink(missing_ok=True)
    run(sys.executable, "-m", "pip", "wheel", "-qq", "--wheel-dir", wheels, ROOT, *BUILD_NEEDS)
    run("git", "clone", "--quiet", ROOT, source)
    packages = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/root/wheels", "PIP_QUIET": "1"}
    for command in documented():
        print(f"# {command}")
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **packages}
        run("chroot", MACHINE, "sh", "-c", f"cd /root/rsvpd && {command}", env=env)


def documented() -> list[str]:
    """The commands of docs/install.md for a Debian server."""
    _, _, section = (ROOT / "docs" / "install.md").read_text("utf-8").partition("## On a Debian server\n")
    lines = section.strip("\n").splitlines()
    return [line.strip() for line in itertools.takewhile(lambda line: line.startswith("    "), lines)]


def prepare() -> None:
    """The script that the machine runs as soon as it is up; nothing left of the last time."""
    for left in LEFT:
        shutil.rmtree(MACHINE / left, ignore_errors=True)
        (MACHINE / left).unlink(missing_ok=True)
    shutil.copy(Path(__file__).with_name("inside.py"), MACHINE / "root")
    shutil.copy(Path(__file__).with_name("hangs.py"), MACHINE / "opt")
    (MACHINE / "root/result.json").unlink(missing_ok=True)
    unit = MACHINE / "etc/systemd/system/inside.service"
    unit.write_text(_INSIDE)
    wanted = MACHINE / "etc/systemd/system/multi-user.target.wants" / unit.name
    wanted.parent.mkdir(exist_ok=True)
    if not wanted.is_symlink():
        wanted.symlink_to(Path("..") / unit.name)


def boot() -> list[dict[str, str | bool]]:
    """What was found inside."""
    container = ("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--boot")
    with (BUILD / "console.log").open("wb") as console:
        subprocess.run(
            [*container, "-D", MACHINE],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            timeout=_PATIENCE,
            check=False,
        )
    found: list[dict[str, str | bool]] = json.loads((MACHINE / "root/result.json").read_text())
    return found


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("make boot needs root: it starts a container")
    for tool in ("debootstrap", "systemd-nspawn"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing: scripts/test-packages debootstrap systemd-container")
    machine()
    install()
    prepare()
    rows = boot()
    for row in rows:
        print(f"{'ok    ' if row['good'] else 'FAILED'}  {row['what']:68}  {row['found']}")
    failed = sum(not row["good"] for row in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
