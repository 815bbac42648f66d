"""Where the servers of a mail address are: a table, what its domain publishes, and its mail servers' names."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway import dns, tls
from gateway.errors import DnsAway
from gateway.init import autoconfig
from gateway.init.providers import Found, Server, Tls, is_host, of_domain, of_mail_server

T = TypeVar("T")

# Services of RFC 6186 and RFC 8314, the better first.
_IMAP: tuple[tuple[str, Tls], ...] = (("_imaps._tcp", "implicit"), ("_imap._tcp", "starttls"))
_SMTP: tuple[tuple[str, Tls], ...] = (("_submissions._tcp", "implicit"), ("_submission._tcp", "starttls"))
_PATIENCE = 10.0  # seconds for a connection, and again for TLS
_IN_THE_CLEAR = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")  # a greeting


def _get(url: str) -> bytes | None:
    return autoconfig.get(url, tls.context(None))


@dataclass(frozen=True, slots=True)
class World:
    """Who can be asked about a domain."""

    get: Callable[[str], bytes | None] = _get
    service: Callable[[str], tuple[str, int] | None] = field(default=dns.service)
    mail_servers: Callable[[str], list[str]] = field(default=dns.mail_servers)


def discover(address: str, world: World | None) -> Found:
    """The settings of an address, the surest source first; without a world to ask, or an answer, those that are usual.

    What only DNS says is not sure: who stands on the way could send the owner's password elsewhere (RFC 6186,
    section 6), so that somebody has to agree first.
    """
    domain = _ascii(address.rpartition("@")[2])
    if provider := of_domain(domain):
        return provider.settings(address, f"table of providers: {provider.title}")
    if world:
        sources = (_by_autoconfig, _by_mail_server, _by_service)
        found = next((found for source in sources if (found := source(address, domain, world))), None)
        if found:
            return found
    imap, smtp = Server(f"imap.{domain}", 993, "implicit", address), Server(f"smtp.{domain}", 465, "implicit", address)
    return Found(imap, smtp, "a guess", sure=False, is_guess=True)


def spoken_to(server: Server, ca_file: Path | None) -> Server:
    """The server with the TLS that it speaks at its port; OSError says why it cannot be reached, or not be trusted.

    At a port of its own a server may speak TLS from the first byte, or greet in the clear and wait for STARTTLS.
    """
    with socket.create_connection((server.host, server.port), _PATIENCE) as ear:
        try:
            with tls.context(ca_file).wrap_socket(ear, server_hostname=server.host):
                return replace(server, tls="implicit")
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as exc:
            if exc.reason not in _IN_THE_CLEAR:
                raise
            return replace(server, tls="starttls")


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return domain.lower()


def _by_autoconfig(address: str, domain: str, world: World) -> Found | None:
    for url in autoconfig.addresses(domain):
        document = world.get(url)
        if document and (servers := autoconfig.read(document, address)):
            return Found(*servers, said_by=url)
    return None


def _by_mail_server(address: str, domain: str, world: World) -> Found | None:
    for host in _told(partial(world.mail_servers, domain)) or []:
        if provider := of_mail_server(host):
            return provider.settings(address, f"{domain} has its mail at {provider.title} ({host})", sure=False)
    return None


def _by_service(address: str, domain: str, world: World) -> Found | None:
    imap = _service(address, domain, world, _IMAP)
    smtp = _service(address, domain, world, _SMTP)
    if imap is None or smtp is None:
        return None
    at_home = all(server.host == domain or server.host.endswith(f".{domain}") for server in (imap, smtp))
    return Found(imap, smtp, f"the name servers of {domain}", sure=at_home)


def _service(address: str, domain: str, world: World, kinds: tuple[tuple[str, Tls], ...]) -> Server | None:
    for name, tls_kind in kinds:
        if found := _told(partial(world.service, f"{name}.{domain}")):
            host, port = found[0].lower(), found[1]
            if is_host(host) and port != 25:
                return Server(host, port, tls_kind, address)
    return None


def _told(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except DnsAway:
        return None
