"""The table of well-known mail providers (providers.toml), and the settings of an account as they are found."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from pydantic import Field

from gateway.settings import Section

Tls = Literal["implicit", "starttls"]
_IMPLICIT = (993, 465)
BY_OWNER = "you"  # who says so, where the owner named the servers
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def is_host(name: str) -> bool:
    """Whether a name somebody else gives for a server is one."""
    return bool(_HOST.fullmatch(name))


@dataclass(frozen=True, slots=True)
class Server:
    """Where an account is, and who logs in there."""

    host: str
    port: int
    tls: Tls
    user: str


@dataclass(frozen=True, slots=True)
class Found:
    """The settings of an account, and who says so; `sure` when nobody on the way could have made them up."""

    imap: Server
    smtp: Server
    said_by: str
    provider: Provider | None = None
    sure: bool = True
    is_guess: bool = False


class Place(Section):
    """A provider's server in the table."""

    host: str
    port: int | None = None
    user: Literal["address", "local"] = "address"

    def of(self, address: str, default: int) -> Server:
        port = self.port or default
        user = address.rpartition("@")[0] if self.user == "local" else address
        return Server(self.host, port, "implicit" if port in _IMPLICIT else "starttls", user)


class Provider(Section):
    """A row of the table."""

    name: str
    title: str
    domains: tuple[str, ...]
    mx: tuple[str, ...] = ()
    imap: Place
    smtp: Place
    authserv_id: str | None = None
    dkim: Literal["header", "verify"] = "header"
    keeps_copy: bool = False
    oauth: Literal["google", "microsoft"] | None = None
    password: str | None = Field(default=None, min_length=1)
    own_certificate: bool = False
    """It signs its certificate itself; the owner has to export it."""

    def settings(self, address: str, said_by: str, *, sure: bool = True) -> Found:
        """The settings of an account at this provider."""
        return Found(self.imap.of(address, 993), self.smtp.of(address, 465), said_by, self, sure)


@functools.cache
def providers() -> dict[str, Provider]:
    """Every provider of the table by its name."""
    source = (resources.files("gateway.init") / "providers.toml").read_text("utf-8")
    rows = (Provider.model_validate(row) for row in tomllib.loads(source)["provider"])
    return {row.name: row for row in rows}


def of_domain(domain: str) -> Provider | None:
    """Whose addresses end like this."""
    return next((row for row in providers().values() if any(_fits(domain, one) for one in row.domains)), None)


def of_mail_server(host: str) -> Provider | None:
    """Who takes the mail in that goes to this host."""
    name = host.rstrip(".").lower()
    return next(
        (row for row in providers().values() if any(name == one or name.endswith(f".{one}") for one in row.mx)), None
    )


def _fits(domain: str, pattern: str) -> bool:
    stem, star, _ = pattern.partition("*")
    return domain == pattern if not star else bool(re.fullmatch(re.escape(stem) + r"[a-z]{2,3}(\.[a-z]{2})?", domain))
