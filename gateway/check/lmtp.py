"""What `rsvpd check` finds where the owner's mail server hands mail over."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gateway.check.finding import Finding, fault, good, remark
from gateway.config import Config

_ANYBODY_HERE = (
    "every program on this machine can hand mail over at a port, with Authentication-Results of its own making; "
    'where others have a login, listen at a socket or set dkim = "verify"'
)


def handed_over(config: Config) -> Iterator[Finding]:
    """Whether it can listen where the file says, and who else could come in there."""
    if config.lmtp is None:
        return
    if config.lmtp.socket and not os.access(config.lmtp.socket.parent, os.W_OK | os.X_OK):
        yield fault("lmtp", f"no socket can be made in {config.lmtp.socket.parent}")
        return
    addresses = ", ".join(config.me.addresses) or "nobody: [me] has no addresses"
    yield good("lmtp", f"{config.lmtp.protocol} at {config.lmtp.listen} for {addresses}")
    if config.lmtp.socket is None and config.authentication.dkim == "header":
        yield remark("lmtp", _ANYBODY_HERE)
