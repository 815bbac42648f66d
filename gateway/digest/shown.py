"""What strangers wrote, made fit to stand beside our own words."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from gateway.mail import plain

_LONG = 300  # characters of what has no limit of its own
_IN_A_LINK = "/%:@!$&()*+,;=~-._?"


def shown(text: str, most: int = _LONG) -> str:
    """A text on one line, without what would turn round or hide what stands beside it; cut where it is longer."""
    line = plain(text[: 8 * most])  # white space and what is hidden count for little, and a mail can be a megabyte
    return line if len(line) <= most else f"{line[: most - 2].rstrip()} …"


def web_address(url: str) -> str:
    """A link as it may be clicked on: https, the host as it is asked for (xn--...), all in ASCII; "" for any other."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        return ""
    if parts.scheme != "https" or not host or parts.netloc.lower() != parts.hostname:
        return ""
    return urlunsplit(("https", host, quote(parts.path, _IN_A_LINK), quote(parts.query, _IN_A_LINK), ""))
