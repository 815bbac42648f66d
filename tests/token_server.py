"""An OAuth 2.0 provider on loopback: codes with PKCE, device codes, refresh tokens, introspection.

RFC 6749, 7636, 8628 and 7662.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

from gateway.oauth.google import Google
from gateway.oauth.microsoft import Microsoft
from tests.certificates import HOST, Certificate

_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(slots=True)
class _Code:
    """What was asked for when a code was given out."""

    asked: dict[str, str]
    approved: bool = True


@dataclass(slots=True)
class TokenServer:
    """One user's accounts with every app that asks; what it is asked stands in `asked`.

    `says` holds what it answers, one after the other, instead of the usual at the token endpoint: an error of
    the protocol, or a status such as "503". `rotates`: each refresh token is good for one use.
    """

    user: str = "ada@example.org"
    client_secret: str | None = None
    rotates: bool = False
    lasts: int = 3600  # seconds, an access token
    refresh_lasts: int | None = None  # seconds, told with a new refresh token
    scope: str | None = None  # what is granted; None: what was asked
    says: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    access: dict[str, str] = field(default_factory=dict)  # tokens that are good, and whose they are
    refresh: set[str] = field(default_factory=set)  # tokens that are good
    ever: list[str] = field(default_factory=list)  # every token and code that was given out
    url: str = ""
    introspection: str = ""  # without TLS, for a mail server on the same machine
    _codes: dict[str, _Code] = field(default_factory=dict)

    @property
    def google(self) -> Google:
        return Google(authorization=f"{self.url}/authorize", token=f"{self.url}/token")

    @property
    def microsoft(self) -> Microsoft:
        return Microsoft(authority=f"{self.url}/common")

    @property
    def grants(self) -> list[str]:
        """The kinds of grant it was shown, in order."""
        return [form["grant_type"].rpartition(":")[2] for form in self.asked]

    def visit(self, url: str) -> str:
        """The user opens the page of consent and says yes; the address that the browser ends at."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert url.startswith(f"{self.url}/authorize?")
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = _Code(asked)
        return f"{asked['redirect_uri']}/?" + urlencode(
            {"state": asked["state"], "code": code, "scope": asked["scope"]}
        )

    def end_sessions(self) -> None:
        """Access tokens that were given out are good no more."""
        self.access.clear()

    def revoke(self) -> None:
        """The user takes access back."""
        self.access.clear()
        self.refresh.clear()

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        if path == "/common/v2.0/.well-known/openid-configuration":
            return 200, {
                "issuer": f"{self.url}/common/v2.0",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "device_authorization_endpoint": f"{self.url}/devicecode",
            }
        return 404, {}

    def post(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        if path == "/introspect":
            user = self.access.get(form["token"])
            return 200, {"active": True, "username": user} if user else {"active": False}
        if path == "/devicecode":
            code = secrets.token_urlsafe(16)
            self._codes[code] = _Code(form)
            return 200, {
                "device_code": code,
                "user_code": "ABCD-EFGH",
                "verification_uri": f"{self.url}/device",
                "expires_in": 60,
                "interval": 1,
            }
        self.asked.append(form)
        if self.says:
            said = self.says.pop(0)
            return (int(said), {}) if said.isdigit() else _error(said)
        return self._granted(form)

    def _granted(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        if form.get("client_secret") != self.client_secret:
            return _error("invalid_client")
        match form["grant_type"]:
            case "authorization_code":
                given = self._codes.pop(form["code"], None)
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
                if given is None or given.asked["code_challenge"] != challenge:
                    return _error("invalid_grant")
                return 200, self._tokens(given.asked["scope"])
            case "refresh_token" if form["refresh_token"] in self.refresh:
                if self.rotates:
                    self.refresh.remove(form["refresh_token"])
                return 200, self._tokens(form.get("scope", ""), renew=self.rotates)
            case grant if grant == _DEVICE and form["device_code"] in self._codes:
                return 200, self._tokens(self._codes.pop(form["device_code"]).asked["scope"])
        return _error("invalid_grant")

    def _tokens(self, scope: str, *, renew: bool = True) -> dict[str, object]:
        access = f"access.{secrets.token_urlsafe(32)}"
        self.access[access] = self.user
        self.ever.append(access)
        answer: dict[str, object] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.lasts,
            "scope": scope if self.scope is None else self.scope,
        }
        if renew:
            refresh = f"refresh/{secrets.token_urlsafe(32)}"
            self.refresh.add(refresh)
            self.ever.append(refresh)
            answer["refresh_token"] = refresh
            if self.refresh_lasts:
                answer["refresh_token_expires_in"] = self.refresh_lasts
        return answer


def _error(error: str) -> tuple[int, dict[str, object]]:
    return 400, {"error": error, "error_description": f"the server says {error}\r\nTrace ID: 1"}


@contextmanager
def serving(server: TokenServer, certificate: Certificate) -> Iterator[TokenServer]:
    """Run it, with TLS and, for a mail server that asks about tokens, without."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*server.get(self.path))

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            scheme, _, words = self.headers.get("Authorization", "").partition(" ")
            if scheme == "Basic":
                form["client_id"], form["client_secret"] = base64.b64decode(words).decode().split(":", 1)
            self._answer(*server.post(self.path, form))

        def _answer(self, status: int, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    secure, plain = ThreadingHTTPServer((HOST, 0), Page), ThreadingHTTPServer((HOST, 0), Page)
    secure.socket = certificate.context().wrap_socket(secure.socket, server_side=True)
    server.url = f"https://{HOST}:{secure.server_port}"
    server.introspection = f"http://{HOST}:{plain.server_port}/introspect"
    for listener in (secure, plain):
        threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        for listener in (secure, plain):
            listener.shutdown()
            listener.server_close()
