"""A PostgreSQL cluster of the tests' own, on a socket of its own; each test gets a database in it."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

USER = "postgres"
_PLACES = "/usr/lib/postgresql/*/bin"
_SETTINGS = "-c max_connections=200"
# Only a test's data: nobody minds losing it at a power cut.
_FLEETING = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off"


@dataclass(slots=True)
class Postgres:
    """A running cluster; other hosts may be let in at an address of a network that is the tests' own."""

    folder: Path
    address: str = ""
    network: str = ""  # whoever is in it needs no password
    settings: str = _FLEETING
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", "--host", str(self.folder), name)
        return f"postgresql:///{name}?host={self.folder}&user={USER}"

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            self._run("initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", f"--username={USER}", str(data))
            if self.network:
                with (data / "pg_hba.conf").open("a") as rules:
                    rules.write(f"host all all {self.network} trust\n")
        places = f"-c unix_socket_directories={self.folder} -c listen_addresses={self.address}"
        self._run(
            "pg_ctl",
            "--wait",
            f"--log={self.folder / 'log'}",
            f"--options={_SETTINGS} {self.settings} {places}",
            "-D",
            str(data),
            "start",
        )

    @property
    def pid(self) -> int:
        """Of the process that all others are children of."""
        return int((self.folder / "data" / "postmaster.pid").read_text().partition("\n")[0])

    def stop(self) -> None:
        self._run("pg_ctl", "--wait", "--mode=immediate", "-D", str(self.folder / "data"), "stop")

    def _run(self, program: str, *arguments: str) -> None:
        # It refuses to run as root.
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        user = ["--username", USER] if program == "createdb" else []
        done = subprocess.run(
            [*prefix, _program(program), *user, *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=self.folder, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"


def _program(name: str) -> str:
    newest = sorted(Path("/").glob(_PLACES[1:]), reverse=True)
    found = shutil.which(name, path=":".join(map(str, newest)))
    assert found, f"{name} is not installed; run scripts/test-packages"
    return found


@contextmanager
def running(folder: Path, *, address: str = "", network: str = "", settings: str = _FLEETING) -> Iterator[Postgres]:
    """A cluster in a folder that its own user may enter."""
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        folder.chmod(0o755)
    cluster = Postgres(folder, address, network, settings)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
