"""Runs inside the container, with nothing but Python itself: what the units do under systemd."""

from __future__ import annotations

import json
import os
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path

STATE = Path("/var/lib/private/rsvpd")
ETC = Path("/etc/rsvpd")
OWNER = """\
[me]
name = "{name}"
addresses = ["{name}@example.org"]
[imap]
host = "127.0.0.1"
user = "{name}"
password = {{ credential = "{credential}" }}
[smtp]
host = "127.0.0.1"
user = "{name}"
password = {{ credential = "{credential}" }}
"""
rows: list[dict[str, object]] = []


def systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def show(unit: str, what: str) -> str:
    return systemctl("show", "--value", f"--property={what}", unit)


def shown(unit: str) -> str:
    return " ".join(f"{what}={show(unit, what)}" for what in ("ActiveState", "NRestarts", "Result", "ExecMainStatus"))


def note(what: str, good: object, found: object = "") -> None:
    rows.append({"what": what, "good": bool(good), "found": str(found)})


def wait(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def journal(unit: str) -> str:
    done = subprocess.run(
        ["journalctl", "-u", unit, "--no-pager", "-o", "cat"], capture_output=True, text=True, check=False
    )
    return done.stdout


def owner(name: str, credential: str) -> None:
    (ETC / f"{name}.toml").write_text(OWNER.format(name=name, credential=credential))
    (ETC / f"{name}.toml").chmod(0o644)


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


def drop_in(unit: str, *lines: str) -> None:
    folder = Path("/run/systemd/system") / f"{unit}.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.conf").write_text("\n".join(("[Service]", *lines, "")))
    systemctl("daemon-reload")


def all_owners() -> None:
    unit = "rsvpd.service"
    drop_in(unit, "RestartSec=1")
    (ETC / "passwords").mkdir(parents=True)
    (ETC / "passwords" / "ada").write_text("secret of ada")
    (ETC / "passwords" / "ada").chmod(0o600)
    for name in ("ada", "bob"):
        owner(name, f"password_{name}")

    systemctl("start", unit)
    note("starts and says that it is ready", show(unit, "ActiveState") == "active", shown(unit))
    wait(lambda: "2 owners served" in show(unit, "StatusText"))
    note("says whom it serves", "2 owners served" in show(unit, "StatusText"), show(unit, "StatusText"))
    user = Path(f"/proc/{show(unit, 'MainPID')}").stat().st_uid
    note("runs as a user made for it", user >= 61184, user)
    state(STATE, ("ada", "bob"))
    told = wait(lambda: "ada away" in journal(unit))
    note("the log names the owners who cannot be reached", told and "nothing listens there" in journal(unit))
    credential = Path(f"/run/credentials/{unit}/password_ada")
    note("a password is a credential for it alone", credential.exists() and mode(credential) == "400", credential)

    reload(unit)
    killed(unit)
    stopped(unit)
    bad(unit)


def state(folder: Path, owners: tuple[str, ...]) -> None:
    files = [folder, *(folder / name for name in owners), *(folder / name / "journal.sqlite" for name in owners)]
    wait(lambda: all(file.exists() for file in files))
    modes = [mode(file) for file in files]
    wanted = ["700", *["700" for _ in owners], *["600" for _ in owners]]
    note("state is for its user alone", modes == wanted, " ".join(modes))


def reload(unit: str) -> None:
    pid, good = show(unit, "MainPID"), (ETC / "ada.toml").read_text()
    (ETC / "ada.toml").write_text("[me\n")
    owner("carl", "password_carl")
    systemctl("reload", unit)
    wait(lambda: "Reloaded" in show(unit, "StatusText"))
    text = show(unit, "StatusText")
    note(
        "reload takes a new owner in and leaves a broken file out",
        "3 owners" in text and "not taken: ada" in text,
        text,
    )
    (ETC / "ada.toml").write_text(good)
    (ETC / "carl.toml").unlink()
    systemctl("reload", unit)
    wait(lambda: "2 owners" in show(unit, "StatusText"))
    note("the mended file is taken, the process is the same", show(unit, "MainPID") == pid, show(unit, "StatusText"))


def killed(unit: str) -> None:
    pid = show(unit, "MainPID")
    os.kill(int(pid), 9)
    good = wait(lambda: show(unit, "MainPID") not in (pid, "0") and show(unit, "ActiveState") == "active")
    note("killed, it is started anew", good and show(unit, "NRestarts") == "1", shown(unit))


def hangs() -> None:
    unit = "rsvpd.service"
    start = "/opt/rsvpd/bin/python /opt/hangs.py run /etc/rsvpd"
    drop_in(unit, "RestartSec=1", "WatchdogSec=9", "ExecStart=", f"ExecStart={start}", "ExecPaths=/opt")
    systemctl("restart", unit)
    time.sleep(20)
    note("while rounds go on, the watchdog is content", show(unit, "NRestarts") == "0", shown(unit))
    Path("/run/hang").touch()
    systemctl("reload", unit)
    good = wait(lambda: show(unit, "NRestarts") == "1", 90)
    Path("/run/hang").unlink()
    log = journal(unit)
    note("a round that hangs is the end of it: SIGABRT, and a new start", good and "ABRT" in log, shown(unit))
    note("the log says where each thread was", ("hangs.py" in log and "Current thread" in log) or "Thread 0x" in log)
    systemctl("stop", unit)


def stopped(unit: str) -> None:
    systemctl("stop", unit)
    note("stops when told, cleanly", show(unit, "Result") == "success", shown(unit))
    note("no temporary file is left", not list(STATE.rglob("*-wal")), "")


def bad(unit: str) -> None:
    kept = {name: (ETC / f"{name}.toml").read_text() for name in ("ada", "bob")}
    for name in kept:
        (ETC / f"{name}.toml").write_text("[me\n")
    systemctl("start", unit)
    wait(lambda: show(unit, "ActiveState") == "failed")
    time.sleep(3)
    good = show(unit, "ExecMainStatus") == "78" and show(unit, "NRestarts") == "0"
    note("with no file in order it ends with 78 and is not started again", good, shown(unit))
    for name, text in kept.items():
        (ETC / f"{name}.toml").write_text(text)
    systemctl("reset-failed", unit)
    os.chmod(STATE / "ada" / "journal.sqlite", 0o644)
    os.chmod(STATE / "bob" / "journal.sqlite", 0o644)
    systemctl("start", unit)
    wait(lambda: show(unit, "ActiveState") == "failed")
    good = show(unit, "ExecMainStatus") == "78" and "others may read it" in journal(unit)
    note("a journal that others may read is refused", good, shown(unit))
    for name in kept:
        os.chmod(STATE / name / "journal.sqlite", 0o600)
    systemctl("reset-failed", unit)


def one_owner_each() -> None:
    Path("/etc/credstore").mkdir(mode=0o700, exist_ok=True)
    for name in ("ada", "bob"):
        (Path("/etc/credstore") / f"imap-password-{name}").write_text(f"secret of {name}")
        owner(name, f"imap-password-{name}")
    subprocess.run(["systemd-creds", "setup"], capture_output=True, check=False)
    Path("/etc/credstore.encrypted").mkdir(mode=0o700, exist_ok=True)
    encrypted = "/etc/credstore.encrypted/smtp-sealed-ada"
    done = subprocess.run(
        ["systemd-creds", "encrypt", "--name=smtp-sealed-ada", "-", encrypted],
        input=b"s",
        capture_output=True,
        check=False,
    )
    units = [f"rsvpd@{name}.service" for name in ("ada", "bob")]
    for unit in units:
        systemctl("enable", "--now", unit)
        note(f"{unit} starts", show(unit, "ActiveState") == "active", shown(unit))
        note(f"{unit} starts with the machine", show(unit, "UnitFileState") == "enabled", show(unit, "UnitFileState"))
    users = [Path(f"/proc/{show(unit, 'MainPID')}").stat().st_uid for unit in units]
    note("each has a user of its own", len(set(users)) == 2, users)
    for name, unit in zip(("ada", "bob"), units, strict=True):
        folder = Path("/run/credentials") / unit
        found = sorted(file.name for file in folder.iterdir()) if folder.exists() else []
        wanted = [f"imap-password-{name}"] + (["smtp-sealed-ada"] if name == "ada" and done.returncode == 0 else [])
        note(f"{unit} has its own passwords alone", found == wanted, " ".join(found))
    state(Path("/var/lib/private/rsvpd-owner/ada"), ())
    for unit in units:
        systemctl("disable", "--now", unit)
        note(f"{unit} stops cleanly", show(unit, "Result") == "success", shown(unit))


def doors() -> None:
    """What the sandbox refuses, tried from inside it."""
    tries = {
        "write to /etc": "open('/etc/rsvpd/x', 'w')",
        "write to another's state": "open('/var/lib/x', 'w')",
        "run a program of its own": "import os; p = os.environ['STATE_DIRECTORY'] + '/x';"
        " open(p, 'w').write('#!/bin/sh\\n'); os.chmod(p, 0o700); os.execv(p, [p])",
        "make a namespace": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
        "open a raw socket": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "see other processes": "import os; os.stat('/proc/1')",
        "become root": "import os; os.setuid(0)",
    }
    unit = "rsvpd.service"
    for what, code in tries.items():
        start = f'/opt/rsvpd/bin/python -c "{code}"'
        drop_in(unit, "Restart=no", "Type=oneshot", "WatchdogSec=0", "ExecStart=", f"ExecStart={start}")
        systemctl("start", unit)
        note(f"it cannot {what}", show(unit, "ExecMainStatus") not in ("0", ""), shown(unit))
    drop_in(unit, "Restart=no", "Type=oneshot", "WatchdogSec=0", "ExecStart=", "ExecStart=/opt/rsvpd/bin/rsvpd demo")
    systemctl("start", unit)
    note("within it the demo runs as it should", show(unit, "ExecMainStatus") == "0", shown(unit))
    (STATE / "x").unlink(missing_ok=True)


def main() -> None:
    ETC.mkdir(exist_ok=True)
    for part in (all_owners, hangs, one_owner_each, doors):
        try:
            part()
        except Exception:  # noqa: BLE001 -- whatever it was, the others are told of too
            note(f"{part.__name__} ran to its end", good=False, found=traceback.format_exc())
    log = subprocess.run(["journalctl", "--no-pager"], capture_output=True, check=False).stdout
    Path("/root/log").write_bytes(log)
    Path("/root/result.json").write_text(json.dumps(rows))


main()
