"""Hosts of the tests' own: network namespaces on networks of their own, each of which can be pulled out.

All of it stands in namespaces (mounts, processes, network) that end with the program that calls within(), and so
nothing of it is left behind, however that ends. Needs root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_INSIDE = "RSVPD_HOSTS"
_UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# `ip netns` keeps its names below /run; these are only ours. The shell stays, to bury whom nobody waits for.
_FURNISH = 'mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up || exit 2; "$@"; exit $?'


def within(module: str) -> None:
    """Begin the program anew where its networks are its own, unless it is there already."""
    if _INSIDE in os.environ:
        return
    os.environ[_INSIDE] = "1"
    again = [sys.executable, "-m", module, *sys.argv[1:]]
    os.execvp(_UNSHARE[0], [*_UNSHARE, "sh", "-c", _FURNISH, "sh", *again])


@dataclass(frozen=True, slots=True)
class Network:
    """A switch, at which the program itself has the address ending in 1."""

    name: str
    number: int

    @property
    def address(self) -> str:
        return self.of(1)

    @property
    def range(self) -> str:
        return self.of(0) + "/24"

    def of(self, host: int) -> str:
        """The address of a host."""
        return f"10.83.{self.number}.{host}"

    def make(self) -> None:
        _ip("link", "add", self.name, "type", "bridge")
        _ip("address", "add", f"{self.address}/24", "dev", self.name)
        _ip("link", "set", self.name, "up")


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace with a cable to each network, and a host name."""

    number: int
    networks: tuple[Network, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"host{self.number}"

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command begins with to run here; the process is the command's own in the end."""
        named = ("unshare", "--uts", "sh", "-c", f'hostname {self.name}; exec "$@"', "sh")
        return ("ip", "netns", "exec", self.name, *named)

    def address(self, network: Network) -> str:
        return network.of(10 + self.number)

    def make(self) -> None:
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        for network in self.networks:
            plug = self._plug(network)
            _ip("link", "add", plug, "type", "veth", "peer", "name", network.name, "netns", self.name)
            _ip("link", "set", plug, "master", network.name, "up")
            _ip("-n", self.name, "address", "add", f"{self.address(network)}/24", "dev", network.name)
            _ip("-n", self.name, "link", "set", network.name, "up")

    @contextmanager
    def without(self, network: Network) -> Iterator[None]:
        """The far end of the cable is pulled: the link stays up, and whatever is sent comes nowhere."""
        _ip("link", "set", self._plug(network), "nomaster")
        try:
            yield
        finally:
            _ip("link", "set", self._plug(network), "master", network.name)

    def _plug(self, network: Network) -> str:
        return f"{network.name}{self.number}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
