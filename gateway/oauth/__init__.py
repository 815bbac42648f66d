"""Signing in at Google and Microsoft by OAuth 2.0: what both have in common. Only this package imports their libraries.

They are imported in the functions: together they take a third of a second to load, and most commands need neither.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from pydantic import SecretStr

TIMEOUT = 30.0  # seconds for an answer of the provider's
Use = Literal["imap", "smtp"]

# Below WARNING they print requests and answers, and with them the tokens.
for _chatty in ("google", "msal", "oauthlib", "requests_oauthlib", "urllib3"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Client:
    """The app that the owner registered."""

    id: str
    secret: SecretStr | None = None  # Google gives one to every app, Microsoft none to a public one


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider hands out."""

    access: SecretStr
    expires: datetime  # of the access token
    refresh: SecretStr
    ends: datetime | None = None  # of the refresh token, where the provider tells


def words_of(answer: Mapping[str, object]) -> str:
    """What a provider says of an error, on one line and without the trace numbers below it (RFC 6749 section 5.2)."""
    lines = str(answer.get("error_description", "")).splitlines()
    return ": ".join(part for part in (str(answer.get("error", "")), *lines[:1]) if part) or "no words"


def tokens_in(answer: Mapping[str, Any], refresh: str, now: datetime) -> Tokens:
    """What a provider's answer hands out (RFC 6749 section 5.1); both tell in a field of their own when access ends."""
    lasts = answer.get("refresh_token_expires_in")
    return Tokens(
        access=SecretStr(answer["access_token"]),
        expires=now + timedelta(seconds=int(answer["expires_in"])),
        refresh=SecretStr(refresh),
        ends=now + timedelta(seconds=int(lasts)) if lasts else None,
    )


class Screen(Protocol):
    """The terminal that the owner signs in at; their browser may run on another machine."""

    def tell(self, text: str) -> None: ...

    def ask(self, question: str) -> str: ...


class Provider(Protocol):
    """Whose account it is."""

    @property
    def name(self) -> str: ...

    @property
    def unused(self) -> timedelta:
        """After so long without use a refresh token ends."""
        ...

    def scopes(self, uses: Iterable[Use]) -> tuple[str, ...]:
        """The least that must be granted for these uses."""
        ...

    def sign_in(self, client: Client, user: str, scopes: tuple[str, ...], screen: Screen, now: datetime) -> Tokens:
        """Let the owner grant access; SignInFailed, or OSError when the provider is away."""
        ...

    def refresh(self, client: Client, refresh: SecretStr, scopes: tuple[str, ...], now: datetime) -> Tokens:
        """A fresh access token.

        GrantEnded when the owner must sign in again, LookupError when the app is at fault, OSError when the
        provider is away.
        """
        ...
