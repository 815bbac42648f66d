"""Records of the domain name system, with a limit on how long anybody waits. Only this module imports dnspython."""

from __future__ import annotations

from typing import Any

import dns.exception
import dns.resolver

from gateway.errors import DnsAway

_LIFETIME = 3.0  # seconds for an answer, over all name servers


def txt(name: str) -> bytes | None:
    """The TXT record of a name, None when there is none; DnsAway when no name server answers."""
    return next((b"".join(record.strings) for record in _records(name, "TXT")), None)


def mail_servers(domain: str) -> list[str]:
    """Who takes in the mail of a domain, the preferred first; DnsAway when no name server answers."""
    found = sorted(_records(domain, "MX"), key=lambda record: record.preference)
    return [record.exchange.to_text(omit_final_dot=True) for record in found]


def service(name: str) -> tuple[str, int] | None:
    """Host and port of a service (RFC 2782), None when there is none; DnsAway when no name server answers."""
    found = sorted(_records(name, "SRV"), key=lambda record: (record.priority, -record.weight))
    for record in found:
        host = record.target.to_text(omit_final_dot=True)
        if host not in ("", "."):  # "." says that there is no such service
            return host, record.port
    return None


def _records(name: str, kind: str) -> list[Any]:
    try:
        return list(dns.resolver.resolve(name.rstrip("."), kind, lifetime=_LIFETIME))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as exc:
        raise DnsAway(f"no name server answers for {name} ({type(exc).__name__})") from None
