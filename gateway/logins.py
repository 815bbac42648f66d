"""The owner's logins at mail servers: a password, or access tokens that Google and Microsoft hand out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import SecretStr

from gateway.config import Account, Config
from gateway.errors import GrantEnded, MailboxFailed, SendFailed, SignInFailed
from gateway.events import LogEvent
from gateway.grants import Grant, GrantFile, Keeper, SharedGrant, trouble
from gateway.oauth import Client, Provider, Screen, Tokens, Use
from gateway.oauth.google import Google
from gateway.oauth.microsoft import Microsoft
from gateway.state import folder_of

if TYPE_CHECKING:
    from gateway.journal import Journal

log = logging.getLogger(__name__)

T = TypeVar("T")
PROVIDERS: dict[str, Provider] = {"google": Google(), "microsoft": Microsoft()}
_EARLY = timedelta(minutes=5)  # how long before its end an access token is renewed


class Login(Protocol):
    """A way to log in at one account."""

    def use(self, action: Callable[[Callable[[], SecretStr]], T]) -> T:
        """Do something that takes the secret."""
        ...


def login_of(config: Config, account: Account, journal: Journal | None = None) -> Login:
    """How the owner logs in at an account of their file.

    `journal` is that of the service: a grant in the database is renewed only as long as it may write there.
    """
    if account.oauth is None:
        return _Password(account)
    access = next(access for access in _accesses(config, journal) if access.belongs_to(account))
    return _AccessToken(access)


@dataclass(frozen=True, slots=True)
class _Password:
    account: Account

    def use(self, action: Callable[[Callable[[], SecretStr]], T]) -> T:
        return action(self.account.secret)


@dataclass(frozen=True, slots=True)
class _Access:
    """A user's grant to an app; [imap] and [smtp] of the same user share it."""

    config: Config
    account: Account
    uses: tuple[Use, ...]
    keeper: Keeper

    def belongs_to(self, account: Account) -> bool:
        return _identity(account) == _identity(self.account)

    @property
    def provider(self) -> Provider:
        assert self.account.oauth is not None  # _accesses() looks for nothing else
        return PROVIDERS[self.account.oauth]

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.provider.scopes(self.uses)

    @property
    def words(self) -> str:
        return f"the login of {self.account.user} at {self.provider.name}"

    @property
    def remedy(self) -> str:
        # The URL itself may hold what the database is protected by.
        shared = isinstance(self.keeper, SharedGrant)
        return f"run: rsvpd login {f'postgresql://...#{self.config.owner}' if shared else self.config.path}"

    def client(self) -> Client:
        """The app; LookupError when its secret is not where it should be."""
        client = self.account.oauth_client
        assert client is not None  # gateway.config sees to it
        try:
            return Client(client.id, client.secret.read(client.id) if client.secret else None)
        except (OSError, LookupError) as exc:
            raise LookupError(f"the secret of your app: {exc}; docs/logins.md says where it comes from") from None

    def trouble(self, now: datetime) -> str | None:
        try:
            grant = self.keeper.read()
        except LookupError as exc:
            return str(exc)
        found = trouble(grant, self.provider.unused, now)
        return f"{self.words} {found}; {self.remedy}" if found else None

    def refresh(self, now: datetime) -> Tokens:
        """A fresh access token; LookupError when only the owner can help, OSError when it is to be tried again."""
        with self.keeper.alone():
            grant = self._usable()
            try:
                tokens = self.provider.refresh(self.client(), grant.refresh, self.scopes, now)
            except GrantEnded as exc:
                # Written down, so that the provider is not asked again and again.
                self.keeper.write(replace(grant, ended=f"{now:%Y-%m-%d} ({exc})"))
                raise LookupError(self.trouble(now)) from None
            except OSError as exc:
                raise OSError(_away(self.provider, exc)) from None
            ends = tokens.ends or grant.ends
            self.keeper.write(replace(grant, refresh=tokens.refresh, used=now, ends=ends))
        return tokens

    def _usable(self) -> Grant:
        grant = self.keeper.read()
        if grant is None or grant.ended:
            raise LookupError(self.trouble(datetime.now(UTC)))
        if self.account.oauth_client and grant.client_id != self.account.oauth_client.id:
            raise LookupError(f"{self.words} was granted to another app; {self.remedy}")
        if missing := set(self.scopes) - set(grant.scopes):
            raise LookupError(f"{self.words} was not granted {', '.join(sorted(missing))}; {self.remedy}")
        return grant

    def sign_in(self, screen: Screen, now: datetime) -> None:
        try:
            tokens = self.provider.sign_in(self.client(), self.account.user, self.scopes, screen, now)
        except OSError as exc:
            raise SignInFailed(_away(self.provider, exc)) from None
        except LookupError as exc:
            raise SignInFailed(str(exc)) from None
        grant = Grant(
            client_id=self.client().id,
            scopes=self.scopes,
            refresh=tokens.refresh,
            obtained=now,
            used=now,
            ends=tokens.ends,
        )
        with self.keeper.alone():
            self.keeper.write(grant)


def _away(provider: Provider, exc: OSError) -> str:
    # The text of requests' exceptions is a chain of reprs.
    why = str(exc) if type(exc) is OSError else type(exc).__name__
    return f"{provider.name} gives no access token now ({why})"


def _identity(account: Account) -> tuple[str | None, str, str]:
    return account.oauth, account.user.lower(), account.oauth_client.id if account.oauth_client else ""


def _accesses(config: Config, journal: Journal | None = None) -> list[_Access]:
    """The grants that a file needs."""
    found: dict[tuple[str | None, str, str], _Access] = {}
    accounts: tuple[tuple[Use, Account | None], ...] = (("imap", config.imap), ("smtp", config.smtp))
    for use, account in accounts:
        if account and account.oauth:
            before = found.get(_identity(account))
            keeper = before.keeper if before else _keeper(config, account, journal)
            found[_identity(account)] = _Access(config, account, (*(before.uses if before else ()), use), keeper)
    return list(found.values())


def _keeper(config: Config, account: Account, journal: Journal | None) -> Keeper:
    user = hashlib.sha256(account.user.lower().encode()).hexdigest()[:12]
    name = f"login-{account.oauth}-{user}"
    if config.journal.url:
        from gateway.journal.grants import GrantRow, in_table  # only now: most owners have no database

        held = journal is not None and journal.store.proof is not None
        store = journal.store if journal and held else in_table(config.journal.url, config.owner)
        if store:
            return SharedGrant(GrantRow(store, config.owner, name))
    return GrantFile(folder_of(config) / f"{name}.json")


@dataclass(slots=True)
class _AccessToken:
    """An access token, in memory only, renewed before it ends and when the mail server takes it no more."""

    access: _Access
    _tokens: Tokens | None = None
    _warned: date | None = None

    def use(self, action: Callable[[Callable[[], SecretStr]], T]) -> T:
        remembered = self._tokens
        try:
            return action(self._secret)
        except (MailboxFailed, SendFailed) as exc:
            if remembered is None or remembered is not self._tokens or not was_refused(exc):
                raise
        # It may have been taken back before its end; a fresh one that is refused, too, is not the token's fault.
        self._tokens = None
        return action(self._secret)

    def _secret(self) -> SecretStr:
        now = datetime.now(UTC)
        if self._tokens is None or self._tokens.expires - now < _EARLY:
            self._tokens = self.access.refresh(now)
            self._warn(now)
        return self._tokens.access

    def _warn(self, now: datetime) -> None:
        """Tell of a grant that ends soon, once a day."""
        found = self.access.trouble(now)
        if found and self._warned != now.date():
            log.warning("%s: %s", self.access.config.owner, found, extra=LogEvent.LOGIN_ENDS.of())
            self._warned = now.date()


def was_refused(exc: MailboxFailed | SendFailed) -> bool:
    """Whether a mail server does not take the password or the token, as far as what it says can be told apart."""
    return exc.permanent and (isinstance(exc, MailboxFailed) or exc.setup)


def sign_in(config: Config, screen: Screen, now: datetime) -> Iterator[str]:
    """Let the owner sign in wherever their file says oauth; how each login is kept. SignInFailed says what is wrong."""
    for access in _accesses(config):
        access.sign_in(screen, now)
        yield f"{access.words} is kept in {access.keeper.place}, {access.keeper.protection}"


def troubles(config: Config, now: datetime, journal: Journal | None = None) -> tuple[str, ...]:
    """What the owner must know of their logins: who has to sign in, or will have to soon."""
    return tuple(found for access in _accesses(config, journal) if (found := access.trouble(now)))


def kept(config: Config) -> tuple[str, ...]:
    """How each login that is in order is kept."""
    found = []
    for access in _accesses(config):
        grant = access.keeper.read()
        if grant and not grant.ended:
            found.append(f"{access.words}, granted {grant.obtained:%Y-%m-%d}, {access.keeper.protection}")
    return tuple(found)
