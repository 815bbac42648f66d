"""What `rsvpd check` looks at on the machine it runs on: who may read what, free space, the clock, Python."""

from __future__ import annotations

import ctypes
import email.policy
import email.utils
import inspect
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.check.finding import Finding, fault, good, remark
from gateway.config import Config
from gateway.ownership import why_not_keep, why_not_secret
from gateway.state import folder_of

_MEGABYTE = 1024 * 1024
_TOO_LITTLE = 50 * _MEGABYTE
_LITTLE = 500 * _MEGABYTE
_TIME_ERROR = 5  # adjtimex(2): nothing keeps this clock right


def host(config: Config) -> Iterator[Finding]:
    """Whether this machine is fit to run the service of an owner."""
    yield from _secrets(config)
    yield from _state(folder_of(config), "the lock" if config.journal.url else "the journal")
    yield from clock(_synchronised)
    yield runtime()


def _secrets(config: Config) -> Iterator[Finding]:
    for file in config.secret_files:
        try:
            why_not = why_not_secret(file)
        except OSError as exc:
            why_not = f"cannot be read ({exc.strerror}); put there what it is to hold, and chmod 600 it"
        if why_not:
            yield fault("secret", f"{file} {why_not}")


def _state(folder: Path, holds: str) -> Iterator[Finding]:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    why_not = why_not_keep(folder, is_folder=True) if folder.exists() else None
    if why_not:
        yield fault("state", f"{folder} {why_not}")
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield fault("state", f"{nearest} cannot be written by this user; {holds} is to stand in {folder}")
    else:
        yield good("state", f"{folder}{'' if folder.exists() else ' is made at the first start'}, for {holds}")
    yield space(shutil.disk_usage(nearest).free, folder)


def space(free: int, folder: Path) -> Finding:
    """Whether so many bytes are enough for a journal; it stops all sending when it cannot be written."""
    told = f"{free // _MEGABYTE:,} MB free for {folder}"
    if free < _TOO_LITTLE:
        return fault("space", f"only {told}; make room, or nothing can be sent")
    return remark("space", f"only {told}; make room") if free < _LITTLE else good("space", told)


def clock(synchronised: Callable[[], bool | None]) -> Iterator[Finding]:
    """Whether anything keeps the clock right; holds, windows and the weekly summary go by it."""
    match synchronised():
        case True:
            yield good("clock", "kept right by the system")
        case False:
            yield remark("clock", "nothing keeps it right; let NTP do so: timedatectl set-ntp true")


def _synchronised() -> bool | None:
    """What the kernel says of its clock; None where it cannot be asked."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return None
    state = adjtimex(ctypes.create_string_buffer(1024))  # zeros ask only, and struct timex is far smaller
    return None if state < 0 else state != _TIME_ERROR


_MENDED = "both are mended in Python 3.11.10, 3.12.6 and 3.13, and in what a distribution updated"


def runtime() -> Finding:
    """Whether Python's mail library has its known faults mended."""
    # By what they can do, not by version: distributions mend old versions (CVE-2023-27043, CVE-2024-6923).
    mends = {
        "CVE-2023-27043 (addresses misread)": "strict" in inspect.signature(email.utils.parseaddr).parameters,
        "CVE-2024-6923 (forged header fields)": hasattr(email.policy.Policy, "verify_generated_headers"),
    }
    if all(mends.values()):
        return good("python", "its mail library has the known faults mended")
    lacks = " and ".join(fault for fault, mended in mends.items() if not mended)
    return remark("python", f"its mail library lacks the mend of {lacks}; {_MENDED}")
