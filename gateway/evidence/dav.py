"""Address books and calendars on a server of the owner's (RFC 6352, RFC 4791): one query each, over TLS."""

from __future__ import annotations

import base64
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from lxml import etree

from gateway.config import Dav
from gateway.errors import BadSource

_TIMEOUT = 60.0
_LARGEST = 200_000_000
_CARDS = """<?xml version="1.0" encoding="utf-8"?>
<c:addressbook-query xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav">
<d:prop><c:address-data/></d:prop></c:addressbook-query>"""
_EVENTS = """<?xml version="1.0" encoding="utf-8"?>
<c:calendar-query xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">
<d:prop><c:calendar-data/></d:prop>
<c:filter><c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT"/></c:comp-filter></c:filter>
</c:calendar-query>"""


class _Stay(urllib.request.HTTPRedirectHandler):
    """A password goes to the server it was given for and to no other."""

    def redirect_request(self, *_args: object) -> None:
        return None


def fetch_cards(dav: Dav) -> bytes:
    """All vCards of an address book."""
    return _fetch(dav, _CARDS, "{urn:ietf:params:xml:ns:carddav}address-data")


def fetch_events(dav: Dav) -> bytes:
    """All events of a calendar."""
    return _fetch(dav, _EVENTS, "{urn:ietf:params:xml:ns:caldav}calendar-data")


def _fetch(dav: Dav, query: str, tag: str) -> bytes:
    if urlsplit(dav.url).scheme != "https":
        raise BadSource(f"{dav.url}: is not https: a password is not sent in the clear")
    answer = _ask(dav, query)
    try:
        # Neither entities nor other documents: the answer is a stranger's XML.
        root = etree.fromstring(answer, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError as exc:
        raise BadSource(f"{dav.url}: does not answer in XML: give the URL of the collection itself") from exc
    return "\n".join(text for element in root.iter(tag) if (text := element.text)).encode()


def _ask(dav: Dav, query: str) -> bytes:
    try:
        login = f"{dav.user}:{dav.password.read(dav.user).get_secret_value()}"
    except (OSError, LookupError) as exc:
        raise BadSource(f"{dav.url}: no password: {exc}") from exc
    # Only https gets here: _fetch has seen to it.
    request = urllib.request.Request(dav.url, query.encode(), method="REPORT")  # noqa: S310
    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    request.add_header("Content-Type", "application/xml; charset=utf-8")
    request.add_header("Depth", "1")
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            answer: bytes = response.read(_LARGEST + 1)
    except urllib.error.HTTPError as exc:
        raise BadSource(f"{dav.url}: {_advice(exc.code)}") from exc
    except (OSError, ValueError) as exc:
        raise BadSource(f"{dav.url}: cannot be reached ({exc}): it is tried again at the next refresh") from exc
    if len(answer) > _LARGEST:
        raise BadSource(f"{dav.url}: answers with more than {_LARGEST // 1_000_000} MB")
    return answer


def _advice(status: int) -> str:
    if status in (401, 403):
        return f"refuses the login ({status}): check user and password (often an app password is needed)"
    if 300 <= status < 400:
        return f"sends us elsewhere ({status}): give the URL it redirects to"
    return f"answers {status}: give the URL of the address book or calendar itself"
