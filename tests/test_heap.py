"""Memory that the C library keeps for threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

_WORKERS = 12
_TOLD = f"""
import threading
from gateway import heap

def reserved():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) // 1024

heap.keep_one()
together = threading.Barrier({_WORKERS} + 1)

def work():
    kept = bytearray(5000)
    together.wait()
    together.wait()

before = reserved()
threads = [threading.Thread(target=work) for _ in range({_WORKERS})]
for thread in threads:
    thread.start()
together.wait()
print(reserved() - before)
together.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there a thread has a heap of its own")
def test_workers_share_one_heap() -> None:
    done = subprocess.run([sys.executable, "-c", _TOLD], capture_output=True, text=True, check=True)

    # Stacks of 8 MB are reserved for each; a heap would be another 64.
    assert int(done.stdout) < _WORKERS * 20
