"""The settings a domain publishes for mail programs, in the format of Thunderbird's autoconfig.

https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/config-file-format.html: a stranger's XML over
https, asked for without following anybody elsewhere, read without entities, and no longer or larger than need be.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

from lxml import etree

from gateway.init.providers import Server, Tls, is_host

_TIMEOUT = 5.0  # seconds for the whole document
_LARGEST = 64 * 1024  # bytes
_CHUNK = 8 * 1024
_TLS: dict[str, Tls] = {"SSL": "implicit", "STARTTLS": "starttls"}  # never "plain"
_USER = re.compile(r"[!-~]{1,250}")


def addresses(domain: str) -> tuple[str, str]:
    """Where a domain publishes its settings."""
    path = "/mail/config-v1.1.xml"
    return f"https://autoconfig.{domain}{path}", f"https://{domain}/.well-known/autoconfig{path}"


def get(url: str, context: ssl.SSLContext) -> bytes | None:
    """A document of at most 64 KiB that comes within five seconds; None for whatever else happens."""
    parts = urlsplit(url)
    deadline = time.monotonic() + _TIMEOUT
    try:
        server = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT, context=context)
        with closing(server):
            server.request("GET", parts.path, headers={"Accept": "application/xml, text/xml"})
            response = server.getresponse()
            if response.status != http.client.OK:
                return None
            return _read(response, server.sock, deadline)
    except (OSError, http.client.HTTPException, UnicodeError):
        return None


def _read(response: http.client.HTTPResponse, ear: socket.socket | None, deadline: float) -> bytes | None:
    document = b""
    while len(document) <= _LARGEST:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        if ear:
            ear.settimeout(left)
        chunk = response.read1(_CHUNK)
        if not chunk:
            return document
        document += chunk
    return None


def read(document: bytes, address: str) -> tuple[Server, Server] | None:
    """The first IMAP and the first SMTP server that are reached by TLS; None where one is missing or ill-formed."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root.getroottree().docinfo.internalDTD is not None:  # the format has none
        return None
    imap = next(_servers(root, "incomingServer", "imap", address), None)
    smtp = next(_servers(root, "outgoingServer", "smtp", address), None)
    return (imap, smtp) if imap and smtp else None


def _servers(root: etree._Element, element: str, kind: str, address: str) -> Iterator[Server]:
    local, _, domain = address.rpartition("@")
    for found in root.iterfind(f"./emailProvider/{element}[@type='{kind}']"):
        said = {str(child.tag): (child.text or "").strip() for child in found if isinstance(child.tag, str)}
        user = said.get("username", "")
        for hole, value in (("%EMAILADDRESS%", address), ("%EMAILLOCALPART%", local), ("%EMAILDOMAIN%", domain)):
            user = user.replace(hole, value)
        host, port, tls = said.get("hostname", "").lower(), said.get("port", ""), _TLS.get(said.get("socketType", ""))
        # Port 25 is for servers among themselves.
        if tls and is_host(host) and _is_port(port) and port != "25" and _USER.fullmatch(user):
            yield Server(host, int(port), tls, user)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536
