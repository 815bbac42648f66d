"""TXT records, with a limit on how long anybody waits for them. Only this module imports dnspython."""

from __future__ import annotations

import dns.exception
import dns.resolver

from gateway.errors import DnsAway

_LIFETIME = 3.0  # seconds for an answer, over all name servers


def txt(name: str) -> bytes | None:
    """The TXT record of a name, None when there is none; DnsAway when no name server answers."""
    try:
        answer = dns.resolver.resolve(name.rstrip("."), "TXT", lifetime=_LIFETIME)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    except dns.exception.DNSException as exc:
        raise DnsAway(f"no name server answers for {name} ({type(exc).__name__})") from None
    return b"".join(next(iter(answer)).strings)
