"""rsvpd as it is, but for where Google and Microsoft are: python -m tests.with_token_server URL rsvpd ARGUMENTS..."""

from __future__ import annotations

import sys

from gateway import logins
from gateway.cli import main
from tests.token_server import TokenServer

if __name__ == "__main__":
    server = TokenServer(url=sys.argv[1])
    logins.PROVIDERS.update(google=server.google, microsoft=server.microsoft)
    sys.argv = sys.argv[2:]
    main()
