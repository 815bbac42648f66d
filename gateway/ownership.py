"""Whose a file is, and who else may change it: what rsvpd obeys or keeps must be its owner's alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def why_not_obey(path: Path) -> str | None:
    """Why a file that says what to do is not to be trusted; None when only root and we may write it."""
    found = path.stat()
    if found.st_uid not in (0, os.geteuid()):
        return f"belongs to user {found.st_uid}, neither to the one rsvpd runs as nor to root"
    others = stat.S_IWOTH | (0 if found.st_gid in (0, os.getegid()) else stat.S_IWGRP)
    if found.st_mode & others:
        return f"others may change it (mode {found.st_mode & 0o777:o}); chmod go-w it"
    return None


def why_not_secret(path: Path) -> str | None:
    """Why a file is no place for a password; None when nobody but root, we and our group may read it."""
    found = path.stat()
    ours = found.st_gid in (0, os.getegid())
    if found.st_mode & (stat.S_IRWXO | (0 if ours else stat.S_IRWXG)):
        return f"can be read or changed by others (mode {found.st_mode & 0o777:o}); chmod 600 it"
    return None


def why_not_keep(path: Path, *, is_folder: bool = False) -> str | None:
    """Why a file or folder of ours is not fit to hold the journal; None when nobody else may read it."""
    return why_not_hold(path.stat() if is_folder else path.lstat(), is_folder=is_folder)


def why_not_hold(found: os.stat_result, *, is_folder: bool = False) -> str | None:
    """The same of a file that is open, or was looked at already."""
    if not is_folder and not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if is_folder and not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if found.st_uid != os.geteuid():
        return f"belongs to user {found.st_uid}, not to the one rsvpd runs as"
    if found.st_mode & 0o077:
        return f"others may read it (mode {found.st_mode & 0o777:o}); chmod {700 if is_folder else 600} it"
    return None
