"""A real Postfix on loopback, with a queue of its own; its master needs root."""

from __future__ import annotations

import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.certificates import HOST
from tests.servers import free_port

_PATIENCE = 30.0  # seconds it has to start
_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = mx.example.org
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = {host}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.org
virtual_transport = {mailboxes}
smtp_dns_support_level = disabled
minimal_backoff_time = 300s
{extra}
"""
_MASTER = """\
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
pickup unix n - n 60 1 pickup
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """The owner's mail server: mailboxes by the transport `mailboxes`, and more configuration in `extra`."""

    def __init__(self, folder: Path, *, mailboxes: str, extra: str) -> None:
        self._folder, self.port = folder, free_port()
        folder.chmod(0o755)
        for name in ("queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "main.cf").write_text(_MAIN.format(folder=folder, host=HOST, mailboxes=mailboxes, extra=extra))
        (folder / "master.cf").write_text(_MASTER.format(port=f"{HOST}:{self.port}"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        path = self._folder / "maillog"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self) -> None:
        command = [_program("postfix"), "-c", str(self._folder), "start-fg"]
        # A session of its own makes it a process group that can be ended as a whole.
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"postfix did not start: {self.log}")

    def stop(self) -> None:
        if self._process:
            subprocess.run([_program("postfix"), "-c", self._folder, "abort"], capture_output=True, check=False)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_PATIENCE)

    def deliver(self, raw: bytes, to: str) -> None:
        """Hand a mail over as the filter that has checked its signature does."""
        with smtplib.SMTP(HOST, self.port, local_hostname="filter.example.org", timeout=_PATIENCE) as smtp:
            smtp.sendmail("bounce@linkedin.com", [to], raw)

    @property
    def queue(self) -> list[dict[str, Any]]:
        """What waits, and why."""
        done = subprocess.run([_program("postqueue"), "-c", self._folder, "-j"], capture_output=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def flush(self) -> None:
        """Try again now."""
        subprocess.run([_program("postqueue"), "-c", self._folder, "-f"], check=True)


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, f"{name} is not installed; run scripts/test-packages"
    return found
