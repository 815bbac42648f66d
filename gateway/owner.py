"""An owner's settings made ready: the policy compiled, phrasebooks and templates loaded, the records at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import SecretStr

from gateway import dns, imap, smtp
from gateway.config import Config, Imap, Smtp
from gateway.errors import BadConfig, BadSource
from gateway.evidence import gather
from gateway.journal import Journal
from gateway.journal.entries import Limits
from gateway.journal.index import PeopleIndex
from gateway.logins import login_of
from gateway.mail import LARGEST
from gateway.model import Acquaintance, Dossier, Mail, Mailbox, Note, Person, Provenance
from gateway.networks import networks
from gateway.note import Reader
from gateway.people import Index, MemoryIndex, look_up
from gateway.pipeline import Owner, Post
from gateway.policy import Policy, compile_policy
from gateway.provenance import Trust, authenticate
from gateway.reply import Replies, Voice
from gateway.state import secret_of


def for_reading(config: Config) -> tuple[Owner, tuple[BadSource, ...]]:
    """What explain and replay need, and the sources of evidence that could not be read; nothing is written."""
    index, troubles = _from_files(config)
    return _owner(config, index, secret=b""), troubles


def for_comparison(owner: Owner, mine: Config, other: Config) -> Owner:
    """The owner with the policy of another file: the same person and records, and of [me] what that file says."""
    said = {key: getattr(other.me, key) for key in other.me.model_fields_set}
    me = mine.me.model_copy(update=said)
    config = other.model_copy(update={"me": me})
    policy = policy_of(config)
    replies = replies_of(config, policy)
    reads_alike = (me.name, me.aliases, me.topics) == (mine.me.name, mine.me.aliases, mine.me.topics)
    return replace(
        owner,
        policy=policy,
        read=owner.read if reads_alike else Reader((me.name, *me.aliases), me.topics).read,
        render=replies.render,
        check_templates=replies.check,
        policy_fingerprint=policy.fingerprint,
        policy_text=policy.text,
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
    return _owner(config, people_of(journal), secret=secret_of(journal))


def people_of(journal: Journal) -> PeopleIndex:
    """The owner's people index."""
    return PeopleIndex(journal.store, journal.owner)


def policy_of(config: Config) -> Policy:
    """The owner's policy, compiled."""
    own = frozenset(address.lower() for address in config.me.addresses)
    return compile_policy(config.policy, config.rule, institutions=config.me.institution, own=own, groups=config.group)


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


def _owner(config: Config, index: Index, *, secret: bytes) -> Owner:
    me, delivery = config.me, config.delivery
    policy = policy_of(config)
    trust = Trust(
        authserv_id=config.authentication.authserv_id,
        own=policy.own,
        resolve=dns.txt if config.authentication.dkim == "verify" else None,
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
        policy_text=policy.text,
    )


def mailbox_mails(config: Config, folder: str) -> Iterator[tuple[str, bytes]]:
    """The networks' mails in a folder of the owner's mailbox, oldest first; nothing there is marked."""
    session = connect_of(config)()
    try:
        session.select(folder)
        criteria = tuple(criterion for network in networks() for criterion in network.SEARCH)
        for mail in session.fetch(session.look(criteria, since_uid=1), largest=LARGEST):
            yield f"{folder}/{mail.uid}", mail.raw
    finally:
        session.close()


def connect_of(config: Config) -> Callable[[], imap.Session]:
    """How to get at the owner's mailbox."""
    account = _imap(config)
    login = login_of(config, account)
    return lambda: login.use(lambda secret: imap.connect(account, secret))


def post_of(config: Config) -> Post:
    """The way to the owner's mail server."""
    account = _smtp(config)
    login = login_of(config, account)
    sender = account.bounces or config.me.addresses[0]

    def post(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        def send(secret: Callable[[], SecretStr]) -> str:
            return smtp.send(account, message, sender=sender, recipient=recipient, secret=secret, before_dot=before_dot)

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
