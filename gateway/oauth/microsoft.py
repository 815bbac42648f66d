"""Microsoft: the device flow; the owner types a short code into a page on whatever machine has a browser.

https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import SecretStr

from gateway.errors import GrantEnded, SignInFailed
from gateway.oauth import TIMEOUT, Client, Screen, Tokens, Use, tokens_in, words_of

if TYPE_CHECKING:
    from msal import PublicClientApplication

_SCOPES = {
    "imap": "https://outlook.office.com/IMAP.AccessAsUser.All",
    "smtp": "https://outlook.office.com/SMTP.Send",
}
_ENDED = frozenset({"invalid_grant", "interaction_required", "consent_required"})
_AWAY = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


@dataclass(frozen=True, slots=True)
class Microsoft:
    """Microsoft's servers, or those that a test puts in their place."""

    authority: str = "https://login.microsoftonline.com/common"
    name: str = "Microsoft"
    unused: timedelta = timedelta(days=90)

    def scopes(self, uses: Iterable[Use]) -> tuple[str, ...]:
        return tuple(sorted(_SCOPES[use] for use in uses))

    def sign_in(self, client: Client, user: str, scopes: tuple[str, ...], screen: Screen, now: datetime) -> Tokens:
        with _answering():
            app = self._app(client)
            flow = app.initiate_device_flow(list(scopes))
        if "user_code" not in flow:
            raise SignInFailed(f"Microsoft refused the app: {words_of(flow)}; check oauth_client")
        screen.tell(
            f"Open {flow['verification_uri']} in a browser, on whatever machine,\n"
            f"type the code {flow['user_code']} and sign in as {user}. This waits until you have."
        )
        with _answering():
            given = app.acquire_token_by_device_flow(flow)
        if given.get("error") == "authorization_pending":
            raise SignInFailed("nobody typed the code in time; begin again")
        if "access_token" not in given:
            raise SignInFailed(f"Microsoft refused: {words_of(given)}")
        if "refresh_token" not in given:
            raise SignInFailed("Microsoft gave no lasting access (no refresh token)")
        return tokens_in(given, given["refresh_token"], now)

    def refresh(self, client: Client, refresh: SecretStr, scopes: tuple[str, ...], now: datetime) -> Tokens:
        before = refresh.get_secret_value()
        with _answering():
            given = self._app(client).acquire_token_by_refresh_token(before, list(scopes))
        error = given.get("error", "")
        if error in _ENDED:
            raise GrantEnded(words_of(given))
        if error in _AWAY:
            raise OSError(error)
        if "access_token" not in given:
            raise LookupError(f"Microsoft refused the app ({words_of(given)}); check oauth_client")
        return tokens_in(given, given.get("refresh_token", before), now)

    def _app(self, client: Client) -> PublicClientApplication:
        from msal import PublicClientApplication

        return PublicClientApplication(
            client.id,
            authority=self.authority,
            instance_discovery=False,  # the authority is ours, not something a user typed
            exclude_scopes=["profile"],  # nobody asks who it is
            timeout=TIMEOUT,
        )


@contextmanager
def _answering() -> Iterator[None]:
    """A server in trouble, or something in between that answers in its place, is to be asked again later."""
    from msal.exceptions import MsalServiceError

    try:
        yield
    except (MsalServiceError, ValueError):
        raise OSError("no answer that makes sense") from None
