"""An IMAP server in this process, its mail in memory: pymap's dict backend behind what it needs to serve us.

Four things of pymap are put right here: keywords are kept, a login costs no key stretching, connections live as
long as they are open (Python 3.13 collects their tasks otherwise), and no name server is asked for our own name.
"""

from __future__ import annotations

import asyncio
import ssl
from argparse import Namespace
from dataclasses import dataclass

from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import Config, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet, Message
from pymap.concurrent import Subsystem
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import FetchRequirement, ObjectId
from pymap.parsing.specials.flag import Flag, Wildcard
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

from gateway.background import Background


@dataclass(frozen=True, slots=True)
class Stored:
    """A mail in a folder of the server."""

    raw: bytes
    flags: frozenset[str]


class EmbeddedImap:
    """The server of one account, speaking TLS from the first byte; `deliver` is its MX, `mails` an eye on the disk."""

    def __init__(self, background: Background, tls: ssl.SSLContext, *, user: str, password: str) -> None:
        self._background = background
        self._connections: set[asyncio.Task[None]] = set()
        self._mailboxes = _Mailboxes()
        self._config = _config(tls, user, password)
        # Login finds an account's mailboxes here before it would make new ones.
        self._config.set_cache[user] = (self._mailboxes, FilterSet())
        self._login = Login(self._config)
        self._server = IMAPServer(self._login, self._config)
        self.port = background.serve(self._listen(tls, password))

    def deliver(self, folder: str, raw: bytes, *flags: str) -> None:
        """Put a mail into a folder, which is made if need be; clients that wait there are told."""
        self._background.wait_for(self._deliver(folder, raw, flags))

    def mails(self, folder: str) -> tuple[Stored, ...]:
        """What lies in a folder, in order; empty when there is no such folder."""
        return self._background.wait_for(self._mails(folder))

    async def _listen(self, tls: ssl.SSLContext, password: str) -> asyncio.Server:
        await self._login.demo_user_identity.set(
            UserMetadata(self._config, self._config.demo_user, password=Cleartext().hash(password))
        )
        return await asyncio.start_server(self._converse, "127.0.0.1", 0, ssl=tls)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._server(reader, writer, SocketInfoLocal(writer, unique_id=b"demo"))
        finally:
            self._connections.discard(task)

    async def _deliver(self, folder: str, raw: bytes, flags: tuple[str, ...]) -> None:
        if not await self._mailboxes.has(folder):
            await self._mailboxes.add_mailbox(folder)
        mailbox = await self._mailboxes.get_mailbox(folder)
        await mailbox.append(AppendMessage(raw, flag_set=frozenset(Flag(flag) for flag in flags)), recent=True)

    async def _mails(self, folder: str) -> tuple[Stored, ...]:
        if not await self._mailboxes.has(folder):
            return ()
        mailbox = await self._mailboxes.get_mailbox(folder)
        return tuple([await _stored(message) async for message in mailbox.messages()])


async def _stored(message: Message) -> Stored:
    content = await message.load_content(FetchRequirement.CONTENT)
    return Stored(bytes(content), frozenset(str(flag) for flag in message.permanent_flags))


class _Mailbox(MailboxData):
    """Says that it keeps keywords; pymap drops what is not among the permanent flags."""

    @property
    def permanent_flags(self) -> frozenset[Flag]:
        return super().permanent_flags | {Wildcard}


class _Mailboxes(MailboxSet):
    """An account's folders, all of them keeping keywords."""

    def __init__(self) -> None:
        super().__init__()
        self._inbox = self._new()

    async def has(self, name: str) -> bool:
        return name.upper() == "INBOX" or name in self._set

    async def add_mailbox(self, name: str) -> ObjectId:
        if await self.has(name):
            raise ValueError(name)
        self._set[name] = mailbox = self._new()
        return mailbox.mailbox_id

    def _new(self) -> _Mailbox:
        return _Mailbox(self._content_cache, self._thread_cache)


class _Config(Config):
    @property
    def greeting(self) -> bytes:
        # The inherited one asks a name server for the name of this host.
        return b"Demo ready"


def _config(tls: ssl.SSLContext, user: str, password: str) -> Config:
    return _Config(
        Namespace(proxy_protocol=None),
        host=None,
        port=0,
        demo_data=False,
        demo_user=user,
        demo_password=password,
        ssl_context=tls,
        tls_enabled=False,  # no STARTTLS: the connection is TLS already
        hash_context=Cleartext(),
        cpu_subsystem=Subsystem.for_asyncio(),
    )
