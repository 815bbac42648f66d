"""What `rsvpd check` looks at beyond the file itself: one finding a line, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from gateway import dns, smtp
from gateway.check.finding import Finding, fault, good, remark
from gateway.check.host import host
from gateway.check.lmtp import handed_over
from gateway.check.mailbox import mailbox
from gateway.check.records import records
from gateway.config import Config, Smtp
from gateway.errors import BadTemplate, DnsAway, SendFailed
from gateway.lint import lint
from gateway.logins import kept, login_of, troubles
from gateway.owner import placed, policy_of, replies_of
from gateway.plural import plural

# Whether it is there does not matter: a name server that says so is one that answers. A name for examples (RFC 2606),
# so that no network hears of the question.
_SOME_KEY = "default._domainkey.example.org"


def checks(config: Config) -> Iterator[Finding]:
    """Everything about a readable file, cheapest first; each stands for itself."""
    now = datetime.now(UTC)
    yield from _identity(config)
    yield from _policy(config)
    yield from records(config, now)
    yield from host(config)
    yield from _keys(config)
    yield from _logins(config, now)
    yield from handed_over(config)
    yield from mailbox(config, now)
    yield from _submission(config)


def _identity(config: Config) -> Iterator[Finding]:
    if config.me.name and config.me.addresses:
        yield good("you", f"{config.me.name} <{config.me.addresses[0]}>")
    else:
        yield fault_of_file(config, "you", "[me] needs name and addresses: answers come from them")
    if config.authentication.authserv_id:
        yield good("authentication", f"believes {', '.join(config.authentication.authserv_id)}")
    elif config.authentication.dkim == "verify":
        yield good("authentication", "signatures are checked here")
    else:
        hint = 'the name in "Authentication-Results: NAME; ..." in the header of any mail you got'
        yield remark("authentication", f"no authserv_id, so every invitation is left to you; set {hint}")


def _policy(config: Config) -> Iterator[Finding]:
    """What the linter says of rules and templates, each with its line in the file."""
    policy = policy_of(config)
    try:
        faults = lint(config.policy, config.rule, policy, replies_of(config, policy), topics=config.me.topics)
    except BadTemplate as exc:
        yield fault_of_file(config, "templates", str(exc))
        return
    for found in faults:
        yield fault_of_file(config, "policy", placed(config, found.where, found.what))
    if not faults:
        number = len(config.rule)
        yield good("policy", f"preset {config.policy.preset}, {number} {plural(number, 'rule')} of your own")


def fault_of_file(config: Config, what: str, found: str) -> Finding:
    """A fault that is mended in the owner's file."""
    return replace(fault(what, f"{config.path}: {found}"), in_file=True)


def _keys(config: Config) -> Iterator[Finding]:
    if config.authentication.dkim != "verify":
        return
    try:
        dns.txt(_SOME_KEY)
    except DnsAway as exc:
        yield fault("dns", f"{exc}; until one does, signatures cannot be checked and mails wait: see /etc/resolv.conf")
    else:
        yield good("dns", "a name server answers, so that signatures can be checked here")


def _logins(config: Config, now: datetime) -> Iterator[Finding]:
    for found in kept(config):
        yield good("login", found)
    for found in troubles(config, now):
        yield remark("login", found)


def _submission(config: Config) -> Iterator[Finding]:
    account: Smtp | None = config.smtp
    if account is None:
        yield remark("smtp", "no [smtp]: nothing can be sent, the weekly summary neither")
        return
    try:
        sender = account.bounces or next(iter(config.me.addresses), account.user)
        login_of(config, account).use(lambda secret: smtp.probe(account, secret, sender=sender))
    except SendFailed as exc:
        yield fault("smtp", str(exc))
    else:
        yield good("smtp", f"logged in at {account.host}:{account.port} as {account.user}")
