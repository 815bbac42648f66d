"""The heap of the C library, in which TLS, SQLite and lxml live beside Python's own objects."""

from __future__ import annotations

import ctypes
import sys

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


def keep_one() -> None:
    """Let all threads share one heap, where the C library would give each its own; before the first thread begins."""
    # Of what a thread frees in a heap of its own nothing goes to the others: eight workers held 6 MB for nobody. They
    # take turns at the interpreter's lock anyway.
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not with every C library
        if mallopt:
            mallopt(_ARENA_MAX, 1)
