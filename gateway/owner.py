"""An owner's settings made ready: the policy compiled, phrasebooks and templates loaded, the records at hand.

What a connection or a database needs is imported where it is used, so that `rsvpd explain` starts without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.config import Config, Imap, Smtp, line_of
from gateway.errors import BadConfig, BadPolicy, BadSource, BadTemplate, JournalFailed
from gateway.evidence import gather
from gateway.mail import LARGEST
from gateway.model import Acquaintance, Dossier, Limits, Mail, Mailbox, Note, Person, Provenance, Standing
from gateway.networks import criteria
from gateway.note import Reader
from gateway.people import Index, MemoryIndex, look_up
from gateway.pipeline import Owner, Post, bound_by
from gateway.policy import Policy, compile_policy
from gateway.provenance import Resolve, Trust, authenticate
from gateway.reply import Replies, Voice
from gateway.state import journal_at_hand, secret_of

if TYPE_CHECKING:
    from pydantic import SecretStr

    from gateway import imap
    from gateway.journal import Journal
    from gateway.journal.index import PeopleIndex


def for_reading(config: Config) -> tuple[Owner, tuple[BadSource, ...]]:
    """What explain and replay need, and the sources of evidence that could not be read; nothing is written."""
    index, troubles = _from_files(config)
    owner = _owner(config, index, secret=b"")
    try:
        return bound_by(owner, standing_words(config)), troubles
    except JournalFailed as exc:
        return owner, (*troubles, BadSource(f"what you said of persons and companies is not known: {exc}"))


def for_comparison(owner: Owner, mine: Config, other: Config) -> Owner:
    """The owner with the policy of another file: the same person and records, and of [me] what that file says."""
    said = {key: getattr(other.me, key) for key in other.me.model_fields_set}
    me = mine.me.model_copy(update=said)
    config = other.model_copy(update={"me": me})
    policy = replace(policy_of(config), standing=owner.policy.standing)
    replies = replies_of(config, policy)
    reads_alike = (me.name, me.aliases, me.topics) == (mine.me.name, mine.me.aliases, mine.me.topics)
    return replace(
        owner,
        policy=policy,
        read=owner.read if reads_alike else Reader((me.name, *me.aliases), me.topics).read,
        render=replies.render,
        check_templates=replies.check,
        policy_fingerprint=policy.fingerprint,
    )


def _from_files(config: Config) -> tuple[Index, tuple[BadSource, ...]]:
    known: list[Acquaintance] = []
    troubles: list[BadSource] = []
    for found in gather(config.evidence, config.me, datetime.now(UTC)):
        known.extend(found.acquaintances)
        if found.fault:
            troubles.append(found.fault)
    return MemoryIndex(known), tuple(troubles)


def for_service(config: Config, journal: Journal) -> Owner:
    """What judging and answering need in the service; the records are those in the journal."""
    owner = _owner(config, people_of(journal), secret=secret_of(journal))
    return bound_by(owner, journal.standing.all())


def standing_words(config: Config) -> tuple[Standing, ...]:
    """What the owner said once and for all, as far as their journal is at hand; nothing is made where there is none."""
    journal = journal_at_hand(config)
    return journal.standing.all() if journal else ()


def people_of(journal: Journal) -> PeopleIndex:
    """The owner's people index."""
    from gateway.journal.index import PeopleIndex

    return PeopleIndex(journal.store, journal.owner)


def policy_of(config: Config) -> Policy:
    """The owner's policy, compiled; BadConfig when the rows of the file are none."""
    try:
        return compile_policy(
            config.policy,
            config.rule,
            institutions=config.me.institution,
            own=frozenset(config.me.addresses),
            elsewhere=frozenset(_elsewhere(config)),
            groups=config.group,
        )
    except BadPolicy as exc:
        raise BadConfig(str(config.path), (str(exc),)) from None


def _elsewhere(config: Config) -> Iterator[str]:
    """Further addresses of the owner's, and those that we send from."""
    sending = (config.smtp.bounces, config.smtp.user) if config.smtp else ()
    yield from (address for address in (config.me.contact, config.digest.to, *sending) if address and "@" in address)


def policy_at_hand(config: Config) -> Policy:
    """The owner's policy with what they said once and for all, as far as that is at hand."""
    return replace(policy_of(config), standing=standing_words(config))


def replies_of(config: Config, policy: Policy) -> Replies:
    """The owner's templates; BadTemplate for one that is no template."""
    me = config.me
    voice = Voice(
        name=me.name,
        contact=me.contact or next(iter(me.addresses), None),
        language=me.language,
        answer_in=config.policy.answer_in,
    )
    return Replies(voice, policy, config.path.parent / "replies" if config.path else None)


def check_templates(config: Config, owner: Owner) -> None:
    """Render every template that the policy uses; BadConfig names the line of the file that asks for one at fault."""
    try:
        owner.check_templates()
    except BadTemplate as exc:
        asking = [("rule", number, "reply") for number, rule in enumerate(config.rule) if rule.reply == exc.reply]
        raise BadConfig(str(config.path), (placed(config, asking[0] if asking else (), str(exc)),)) from None


def placed(config: Config, where: tuple[str | int, ...], what: str) -> str:
    """What is said of a place in an owner's file, with its line where that can be told."""
    text = config.path.read_text("utf-8") if config.path and config.path.is_file() else ""
    line = line_of(where, text) if where else None
    return f"line {line}: {what}" if line else what


def _owner(config: Config, index: Index, *, secret: bytes) -> Owner:
    me, delivery = config.me, config.delivery
    policy = policy_of(config)
    trust = Trust(
        authserv_id=config.authentication.authserv_id,
        own=frozenset(address.lower() for address in me.addresses),
        resolve=_resolve() if config.authentication.dkim == "verify" else None,
    )
    replies = replies_of(config, policy)
    names = (me.name, *me.aliases)

    def provenance_of(mail: Mail) -> Provenance:
        return authenticate(mail, trust)

    def known(person: Person, note: Note) -> Dossier:
        return look_up(person, note, index, names=names)

    return Owner(
        policy=policy,
        authenticate=provenance_of,
        read=Reader(names, me.topics).read,
        look_up=known,
        render=replies.render,
        check_templates=replies.check,
        sender=Mailbox(me.name, next(iter(me.addresses), "")),
        mode=delivery.mode,
        hold=delivery.hold,
        limits=Limits(delivery.window, delivery.per_hour, delivery.per_day, delivery.per_domain),
        secret=secret,
        policy_fingerprint=policy.fingerprint,
    )


def _resolve() -> Resolve:
    from gateway import dns

    return dns.txt


def mailbox_mails(config: Config, folder: str) -> Iterator[tuple[str, bytes]]:
    """The networks' mails in a folder of the owner's mailbox, oldest first; nothing there is marked."""
    session = connect_of(config)()
    try:
        session.select(folder)
        for mail in session.fetch(session.look(criteria(), since_uid=1), largest=LARGEST):
            yield f"{folder}/{mail.uid}", mail.raw
    finally:
        session.close()


def connect_of(config: Config, journal: Journal | None = None) -> Callable[[], imap.Session]:
    """How to get at the owner's mailbox; `journal` is the service's."""
    from gateway import imap
    from gateway.logins import login_of

    account = _imap(config)
    login, shared = login_of(config, account, journal), bool(config.journal.url)
    return lambda: login.use(lambda secret: imap.connect(account, secret, prompt=shared))


def post_of(config: Config, step: Callable[[], None] = lambda: None, journal: Journal | None = None) -> Post:
    """The way to the owner's mail server; `step` is called before each wait, `journal` is the service's."""
    from gateway import smtp
    from gateway.logins import login_of

    account = _smtp(config)
    login = login_of(config, account, journal)
    sender = account.bounces or config.me.addresses[0]

    def post(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        def send(secret: Callable[[], SecretStr]) -> str:
            return smtp.send(
                account, message, sender=sender, recipient=recipient, secret=secret, before_dot=before_dot, step=step
            )

        return login.use(send)

    return post


def _imap(config: Config) -> Imap:
    if config.imap is None:
        raise BadConfig(str(config.path), ("[imap] is missing: where is your mailbox?",))
    return config.imap


def _smtp(config: Config) -> Smtp:
    if config.smtp is None:
        raise BadConfig(str(config.path), ("[smtp] is missing: by which server do you send?",))
    return config.smtp
