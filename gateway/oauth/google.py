"""Google: its device flow does not grant mail, so the owner carries the address of the last page back by hand.

https://developers.google.com/identity/protocols/oauth2/native-app
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from gateway.errors import GrantEnded, SignInFailed
from gateway.oauth import TIMEOUT, Client, Screen, Tokens, Use, tokens_in, words_of

_MAIL = "https://mail.google.com/"  # the only scope that IMAP and SMTP accept
# Nothing listens there: the browser shows an error, and its address bar has what is needed. That works from any
# machine, and PKCE makes the address worthless to others.
_REDIRECT = "http://127.0.0.1"
_ACCESS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Google:
    """Google's servers, or those that a test puts in their place."""

    authorization: str = "https://accounts.google.com/o/oauth2/v2/auth"
    token: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    name: str = "Google"
    unused: timedelta = timedelta(days=180)

    def scopes(self, uses: Iterable[Use]) -> tuple[str, ...]:  # noqa: ARG002 - one scope for every use
        return (_MAIL,)

    def sign_in(self, client: Client, user: str, scopes: tuple[str, ...], screen: Screen, now: datetime) -> Tokens:
        from google_auth_oauthlib.flow import Flow
        from oauthlib.oauth2 import OAuth2Error

        app = {
            "client_id": client.id,
            "client_secret": _secret(client),
            "auth_uri": self.authorization,
            "token_uri": self.token,
        }
        flow = Flow.from_client_config({"installed": app}, list(scopes), redirect_uri=_REDIRECT)
        # Google gives a second refresh token only to who is asked for consent anew.
        url, state = flow.authorization_url(prompt="consent", login_hint=user)
        screen.tell(
            f"Open this address in a browser, on whatever machine, and sign in as {user}:\n\n{url}\n\n"
            f"At the end the browser cannot open a page whose address begins with {_REDIRECT}/. That is right."
        )
        code = _code(screen.ask("Paste the whole address of that page here"), state)
        try:
            given = flow.fetch_token(code=code, timeout=TIMEOUT)
        except OAuth2Error as exc:
            said = {"error": exc.error, "error_description": exc.description or ""}
            raise SignInFailed(f"Google refused: {words_of(said)}") from None
        except Warning:  # oauthlib raises one where less is granted than was asked for
            raise SignInFailed("Google granted no access to mail: tick the box for it on the page of consent") from None
        return _tokens(given, now)

    def refresh(self, client: Client, refresh: SecretStr, scopes: tuple[str, ...], now: datetime) -> Tokens:  # noqa: ARG002 - as granted
        from google.auth.exceptions import RefreshError, TransportError
        from google.auth.transport.requests import Request
        from google.oauth2.credentials import Credentials

        held = Credentials(
            token=None,
            refresh_token=refresh.get_secret_value(),
            token_uri=self.token,
            client_id=client.id,
            client_secret=_secret(client),
        )
        try:
            held.refresh(partial(Request(), timeout=TIMEOUT))
        except TransportError:
            raise OSError("no answer") from None
        except RefreshError as exc:
            raise _refused(exc) from None
        expires = held.expiry.replace(tzinfo=UTC) if held.expiry else now + _ACCESS
        return Tokens(SecretStr(str(held.token)), expires, SecretStr(str(held.refresh_token)))


def _secret(client: Client) -> str:
    return client.secret.get_secret_value() if client.secret else ""


def _code(pasted: str, state: str) -> str:
    """The code in the address that the browser ended at."""
    found = parse_qs(urlsplit(pasted.strip()).query)
    if "error" in found:
        raise SignInFailed(f"Google refused: {found['error'][0]}")
    if found.get("state") != [state]:
        raise SignInFailed("that is not the address of the last page of this sign-in; begin again")
    if "code" not in found:
        raise SignInFailed("that address holds no code; begin again")
    return found["code"][0]


def _tokens(given: dict[str, Any], now: datetime) -> Tokens:
    if "refresh_token" not in given:
        raise SignInFailed("Google gave no lasting access; remove rsvpd's access in your Google account and try again")
    # It tells where access ends by itself: an app whose publishing status is "Testing" has seven days.
    return tokens_in({"expires_in": _ACCESS.total_seconds(), **given}, given["refresh_token"], now)


def _refused(exc: Any) -> Exception:
    answer = exc.args[1] if len(exc.args) > 1 and isinstance(exc.args[1], dict) else {}
    error = answer.get("error")
    if error == "invalid_grant":
        return GrantEnded(words_of(answer))
    if error and not exc.retryable:
        return LookupError(f"Google refused the app ({words_of(answer)}); check oauth_client")
    return OSError(words_of(answer))
