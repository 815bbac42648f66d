"""A session with a real Dovecot, beside the owner's other mail programs."""

from __future__ import annotations

import selectors
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from imapclient import SocketTimeout
from imapclient.exceptions import IMAPClientError
from pydantic import SecretStr

from gateway import imap
from gateway.config import Imap, Secret
from gateway.errors import MailboxFailed
from gateway.imap import Fetched, Selected, Session, client
from gateway.model import Landed
from gateway.networks import networks
from tests.certificates import HOST, Certificate
from tests.servers import Dovecot
from tests.submission import Login

PASSWORD = Secret(env="UNUSED")


def mail(number: int, *, sender: str = "Network <invitations@network.example>", size: int = 0) -> bytes:
    head = f"From: {sender}\r\nSubject: number {number}\r\nMessage-ID: <{number}@network.example>\r\n\r\n"
    return head.encode() + b"x" * size + b"\r\n"


def account(server: Dovecot, login: Login, **other: object) -> Imap:
    settings = Imap(
        host=HOST, port=server.imaps_port, user=login.user, password=PASSWORD, ca_file=server.certificate.chain
    )
    return settings.model_copy(update=other)


def connect(server: Dovecot, login: Login, **other: object) -> Session:
    return imap.connect(account(server, login, **other), lambda: SecretStr(login.password))


@contextmanager
def session(server: Dovecot, login: Login, folder: str = "INBOX", **other: object) -> Iterator[Session]:
    opened = connect(server, login, **other)
    opened.select(folder)
    yield opened
    opened.close()


def subjects(server: Dovecot, login: Login, folder: str) -> list[str]:
    found = [item[b"BODY[]"] for item in server.mails(login, folder)]
    return [raw.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode() for raw in found]


def heard_within(opened: Session, seconds: float) -> bool:
    """Whether news came, however often the server said something else."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if opened.idle_check(left):
            return True
    return False


@pytest.fixture(name="login")
def _login(dovecot: Dovecot) -> Login:
    return dovecot.user()


@pytest.fixture(name="own_dovecot")
def _own_dovecot() -> Iterator[Callable[..., Dovecot]]:
    """Makes Dovecots that are configured otherwise, or that may be hurt."""
    with TemporaryDirectory(prefix="rsvpd-dovecot-") as folder:
        made: list[Dovecot] = []

        def make(**settings: object) -> Dovecot:
            home = Path(folder, str(len(made)))
            home.mkdir()
            Path(folder).chmod(0o755)
            server = Dovecot(home, **settings)  # type: ignore[arg-type]
            server.start()
            made.append(server)
            return server

        yield make
        for server in made:
            server.kill()


# Connecting


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("password", ["correct horse", "schlüssel", 'a\\b"c{5}'])
def test_a_session_opens_over_tls_with_any_password(
    own_dovecot: Callable[..., Dovecot], tls: str, password: str
) -> None:
    server = own_dovecot()
    login = server.user(password=password)
    port = server.imaps_port if tls == "implicit" else server.imap_port

    with session(server, login, tls=tls, port=port) as opened:
        assert {"IDLE", "MOVE", "UIDPLUS"} <= opened.capabilities


def test_a_wrong_password_is_for_the_owner_to_mend(dovecot: Dovecot, login: Login) -> None:
    with pytest.raises(MailboxFailed) as failed:
        connect(dovecot, Login(login.user, "guessed"))

    assert str(failed.value) == (
        f"{HOST}:{dovecot.imaps_port} refused the login of {login.user} "
        "([AUTHENTICATIONFAILED] Authentication failed.); check user and password"
    )
    assert failed.value.permanent


def test_a_password_that_cannot_be_read_is_for_the_owner_to_mend(dovecot: Dovecot, login: Login) -> None:
    def secret() -> SecretStr:
        raise LookupError("environment variable IMAP_PASSWORD is not set")

    with pytest.raises(MailboxFailed, match="IMAP_PASSWORD is not set") as failed:
        imap.connect(account(dovecot, login), secret)

    assert failed.value.permanent


@pytest.mark.parametrize(("port", "tls"), [("imaps_port", "implicit"), ("imap_port", "starttls")])
def test_no_password_goes_to_a_server_that_cannot_prove_who_it_is(
    dovecot: Dovecot, login: Login, tmp_path: Path, port: str, tls: str
) -> None:
    stranger = Certificate.make(tmp_path)

    with pytest.raises(MailboxFailed, match="its certificate is not valid") as failed:
        connect(dovecot, login, port=getattr(dovecot, port), tls=tls, ca_file=stranger.chain)

    assert failed.value.permanent
    assert f"user=<{login.user}>" not in dovecot.log


def test_a_certificate_of_another_host_is_not_enough(dovecot: Dovecot, login: Login) -> None:
    with pytest.raises(MailboxFailed, match=r"its certificate is not valid .*mismatch"):
        connect(dovecot, login, host="localhost")


def test_a_port_without_tls_is_named(dovecot: Dovecot, login: Login) -> None:
    with pytest.raises(MailboxFailed, match=r"no TLS on this port .*check port and tls"):
        connect(dovecot, login, port=dovecot.imap_port)


def test_a_host_that_is_not_there_is_named_and_tried_again(dovecot: Dovecot, login: Login) -> None:
    with pytest.raises(MailboxFailed, match=f"{HOST}:1: nothing listens there; check host and port") as failed:
        connect(dovecot, login, port=1)

    assert not failed.value.permanent


@pytest.mark.parametrize("host", ["nowhere.invalid", "no..host"])
def test_a_host_that_does_not_exist_is_named(dovecot: Dovecot, login: Login, host: str) -> None:
    with pytest.raises(MailboxFailed, match=f"{host}:{dovecot.imaps_port}: no such host; check host"):
        connect(dovecot, login, host=host)


# Folders


def test_a_missing_folder_is_named_with_those_that_are_there(dovecot: Dovecot, login: Login) -> None:
    dovecot.deliver(login, mail(1))
    with session(dovecot, login) as opened:
        for ask in (
            lambda: opened.file([1], "Nowhere"),
            lambda: opened.append("Nowhere", [mail(2)]),
            lambda: opened.append("Nowhere", [mail(2), mail(3)]),
            lambda: opened.select("Nowhere"),
        ):
            with pytest.raises(MailboxFailed, match=r"no folder 'Nowhere'; .*\[imap\.folders\].*INBOX") as failed:
                ask()

            assert failed.value.permanent


@pytest.mark.parametrize(
    ("separator", "prefix", "made"),
    [
        ("/", "", "Invitations/Accept"),
        (".", "INBOX.", "INBOX.Invitations.Accept"),
        ("/", "INBOX/", "INBOX/Invitations/Accept"),
    ],
)
def test_folders_are_made_and_found_in_the_servers_spelling(
    own_dovecot: Callable[..., Dovecot], separator: str, prefix: str, made: str
) -> None:
    server = own_dovecot(separator=separator, prefix=prefix)
    login = server.user()
    server.deliver(login, mail(1))
    with session(server, login) as opened:
        opened.ensure("Invitations/Accept")
        opened.ensure("Invitations/Accept", "Invitations/Review")
        assert opened.statuses(["Invitations/Review", "INBOX"]).keys() == {"Invitations/Review", "INBOX"}
        opened.file([1], "Invitations/Accept")
        sent = opened.special("\\Sent")
        opened.append(sent, [mail(2)])

    assert subjects(server, login, made) == ["number 1"]
    assert subjects(server, login, f"{prefix}Sent") == ["number 2"]
    with server.client(login) as other:
        shown = {name for _, _, name in other.list_sub_folders()}
        assert {made, made.replace("Accept", "Review")} <= shown
    with session(server, login, "Invitations/Accept") as opened:
        assert opened.uids(since=1) == [1]


def test_the_owners_word_on_a_special_folder_counts_more_than_the_servers(dovecot: Dovecot, login: Login) -> None:
    with session(dovecot, login) as opened:
        assert (opened.special("\\Sent"), opened.special("\\Sent", "Outbox")) == ("Sent", "Outbox")


def test_a_folder_with_any_letters_can_be_made(dovecot: Dovecot, login: Login) -> None:
    name = 'Einladungen/Prüfen & "mehr"'
    with session(dovecot, login) as opened:
        opened.ensure(name)
        opened.append(name, [mail(1)])

        assert opened.select(name).exists == 1


# Looking


def test_a_look_finds_what_came_since_from_any_of_the_senders(dovecot: Dovecot, login: Login) -> None:
    for number, sender in enumerate(("a@one.example", "b@other.example", "c@two.example", "d@one.example"), 1):
        dovecot.deliver(login, mail(number, sender=sender))
    senders = (("FROM", "one.example"), ("FROM", "two.example"), ("HEADER", "Message-ID", "<nobody@x>"))
    with session(dovecot, login) as opened:
        looks = [opened.look(senders, since_uid=since) for since in (1, 2, 4, 5, 400)]

        assert looks == [[1, 3, 4], [3, 4], [4], [], []]
        assert opened.look((), since_uid=1) == []
        subjects = (("SUBJECT", "number 2"), ("SUBJECT", "number 4"))
        assert opened.look((), since_uid=1, senders=("b@other.example",), of_senders=subjects) == [2]
        also = opened.look(senders[1:], since_uid=1, senders=("b@other.example", "d@one.example"), of_senders=subjects)
        assert also == [2, 3, 4]
        assert opened.uids(since=3) == [3, 4]


def test_a_large_folder_is_searched_in_parts(dovecot: Dovecot, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 8):
        dovecot.deliver(login, mail(number))
    monkeypatch.setattr(imap, "_ANSWER", 2)
    with session(dovecot, login) as opened:
        assert opened.uids(since=2) == [2, 3, 4, 5, 6, 7]
        before = opened._client._imap.tagnum
        assert opened.look((("SUBJECT", "number 7"),), since_uid=1) == [7]
        assert opened._client._imap.tagnum == before + 4


def test_a_folder_that_was_larger_once_is_not_searched_number_by_number(
    dovecot: Dovecot, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 13):
        dovecot.deliver(login, mail(number))
    with dovecot.client(login) as other:
        for number in range(1, 10):
            remove(other, number)
    monkeypatch.setattr(imap, "_ANSWER", 2)
    with session(dovecot, login) as opened:
        before = opened._client._imap.tagnum
        assert opened.uids(since=1) == [10, 11, 12]
        assert opened._client._imap.tagnum == before + 2


@pytest.mark.parametrize(
    ("exists", "uidnext", "searches"),
    [
        (10_000, 10_001, 1),
        (50_000, 50_001, 5),
        (12_000, 4_000_000_000, 2),
        (1_000_000, 1_000_001, 100),
        (30_000, 2, 1),  # which no server in order says
        (30_000, 0, 1),
    ],
)
def test_a_folder_is_searched_in_as_many_parts_as_it_takes(exists: int, uidnext: int, searches: int) -> None:
    opened = Session(
        cast("Any", None), "", cast("Any", None), _selected=Selected(7, uidnext, exists, takes_keywords=True)
    )

    assert len(list(opened._ranges(1))) == searches


def test_dovecot_understands_the_searches_of_all_networks_and_of_a_hundred_more(dovecot: Dovecot, login: Login) -> None:
    dovecot.deliver(login, mail(1))
    criteria = [criterion for network in networks() for criterion in network.SEARCH]
    many = [("FROM", f"network{number}.example") for number in range(100)]
    with session(dovecot, login) as opened:
        assert opened.look(criteria, since_uid=1) == []
        assert opened.look([*many, ("FROM", "network.example")], since_uid=1) == [1]


INJECTIONS = [
    "<x\r\nA9 DELETE Victim\r\n@a>",
    "<x\nA9 DELETE Victim@a>",
    "<x\0@a>",
    '<x" DELETED "@a>',
    "<x{5}@a>",
    "<x@a>\r\n",
    "<x @a>",
    "<ö@a>",
    "<" + "x" * 300 + "@a>",
    "",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_out_of_a_mail_becomes_a_command(dovecot: Dovecot, login: Login, text: str) -> None:
    with dovecot.client(login) as other:
        other.create_folder("Victim")
    with session(dovecot, login) as opened:
        assert opened.find_message_id("INBOX", text) == []
        assert opened.which_lie_in("INBOX", [text]) == frozenset()
        if not text.isprintable() or not text.isascii():
            with pytest.raises(ValueError, match="does not go into an IMAP command"):
                opened.look([("SUBJECT", text)], since_uid=1)
        opened.noop()

        assert opened.select("Victim").exists == 0


@pytest.mark.parametrize("message_id", ['<a"b@x.example>', "<a(b)c\\d@x.example>", "<{5}@x.example>", "<*%@x.example>"])
def test_a_strange_message_id_is_found_all_the_same(dovecot: Dovecot, login: Login, message_id: str) -> None:
    dovecot.deliver(login, mail(1))
    dovecot.deliver(login, f"Message-ID: {message_id}\r\nSubject: strange\r\n\r\n".encode())
    with session(dovecot, login) as opened:
        assert opened.find_message_id("INBOX", message_id) == [2]
        assert opened.which_lie_in("INBOX", [message_id]) == {message_id}


def test_of_many_mails_those_that_lie_in_a_folder_are_told(dovecot: Dovecot, login: Login) -> None:
    for number in range(30):
        dovecot.deliver(login, mail(number))
    with dovecot.client(login) as other:
        other.add_flags([1], [b"\\Deleted"])
    asked = [f"<{number}@network.example>" for number in range(0, 60, 2)]

    with session(dovecot, login) as opened:
        found = opened.which_lie_in("INBOX", asked)
        ids = opened.message_ids(since=1)

    assert found == {f"<{number}@network.example>" for number in range(2, 30, 2)}
    assert ids == {number + 1: f"<{number}@network.example>" for number in range(1, 30)}


def test_a_folders_numbers_are_told_without_going_there(dovecot: Dovecot, login: Login) -> None:
    dovecot.deliver(login, mail(1))
    with session(dovecot, login, "Drafts") as opened:
        selected = opened.select("INBOX")
        opened.select("Drafts")
        dovecot.deliver(login, mail(2))

        assert opened.status("INBOX") == (selected.uidvalidity, selected.uidnext + 1)
        assert opened.statuses(["INBOX", "Sent"]) == {"INBOX": opened.status("INBOX"), "Sent": opened.status("Sent")}
        assert opened.uids(since=1) == []
        with pytest.raises(MailboxFailed, match="has no folder 'Nowhere'"):
            opened.status("Nowhere")
        with pytest.raises(MailboxFailed, match="has no folder 'Nowhere'"):
            opened.statuses(["INBOX", "Nowhere"])


def test_a_folder_is_gone_to_anew_only_when_something_came(
    dovecot: Dovecot, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[str] = []
    usual = Session.select

    def select(self: Session, folder: str) -> Selected:
        gone.append(folder)
        return usual(self, folder)

    for number in (1, 2):
        dovecot.deliver(login, mail(number))
    with session(dovecot, login) as opened:
        opened.ensure("Elsewhere")
        monkeypatch.setattr(Session, "select", select)
        first = opened.select("INBOX")
        again = opened.look_again("INBOX")
        assert (again, gone) == (first, ["INBOX"])

        dovecot.deliver(login, mail(3))
        assert opened.look_again("INBOX").uidnext == first.uidnext + 1
        opened.file([1], "Elsewhere")
        left = opened.look_again("INBOX")
        assert (left.exists, left.uidnext) == (2, first.uidnext + 1)
        with dovecot.client(login) as other:
            other.delete_messages([2])
            other.expunge()
        assert opened.look_again("INBOX").exists == 1
        assert gone == ["INBOX", "INBOX"]
        assert opened.look_again("Elsewhere").exists == 1
        assert opened.look_again("INBOX") == Selected(first.uidvalidity, first.uidnext + 1, 1, takes_keywords=True)
        assert gone == ["INBOX", "INBOX", "Elsewhere", "INBOX"]


def test_where_mails_landed_is_told(dovecot: Dovecot, login: Login) -> None:
    for number in range(1, 6):
        dovecot.deliver(login, mail(number))
    with session(dovecot, login) as opened:
        opened.ensure("Elsewhere")
        first = opened.file([2, 3], "Elsewhere")
        second = opened.append("Elsewhere", [mail(8), mail(9)])
        third = opened.append("Elsewhere", [mail(10)])
        nobody = opened.file([2], "Elsewhere")
        elsewhere = opened.select("Elsewhere")

    assert first == Landed(elsewhere.uidvalidity, range(1, 3))
    assert second == Landed(elsewhere.uidvalidity, range(3, 5))
    assert third == Landed(elsewhere.uidvalidity, range(5, 6))
    assert nobody is None


@pytest.mark.parametrize("keyword", ["bad key", "x)", "\\Deleted", "$A\r\nA9 LOGOUT", ""])
def test_a_keyword_that_is_none_is_refused(dovecot: Dovecot, login: Login, keyword: str) -> None:
    with session(dovecot, login) as opened, pytest.raises(ValueError, match="is no IMAP keyword"):
        opened.add_keyword([1], keyword)


# Fetching


Fetch = Callable[..., list[Fetched]]


@pytest.fixture(params=["few", "many", "ahead"])
def fetch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Few mails are fetched whatever they weigh; of many it is asked first, and the next may be asked for ahead."""
    if request.param != "few":
        monkeypatch.setattr(imap, "_BATCH_BYTES", 0)

    def fetched(opened: Session, uids: list[int], *, largest: int) -> list[Fetched]:
        if request.param != "ahead":
            return list(opened.fetch(uids, largest=largest))
        return [one for batch in opened.fetch_together(uids, largest=largest) for one in batch]

    return fetched


def test_a_fetch_gives_whole_mails_and_their_flags_and_changes_none(
    dovecot: Dovecot, login: Login, fetch: Fetch
) -> None:
    with dovecot.client(login) as other:
        other.append("INBOX", mail(1), [b"\\Flagged", b"$Work"])
        other.append("INBOX", mail(2))
    before = dovecot.mails(login)
    with session(dovecot, login) as opened:
        fetched = fetch(opened, [1, 2], largest=10_000)

    whole = [Fetched(f.uid, f.flags - {"\\Recent"}, f.raw, f.whole) for f in fetched]
    assert whole == [Fetched(1, frozenset({"\\Flagged", "$Work"}), mail(1)), Fetched(2, frozenset(), mail(2))]
    assert dovecot.mails(login) == before


def test_of_a_mail_over_the_limit_only_the_header_is_fetched(dovecot: Dovecot, login: Login, fetch: Fetch) -> None:
    with dovecot.client(login) as other:
        other.append("INBOX", mail(1, size=90_000))
        other.append("INBOX", mail(2))
    with session(dovecot, login) as opened:
        fetched = {f.uid: (f.whole, len(f.raw) < 1000, f.raw[:5]) for f in fetch(opened, [1, 2], largest=50_000)}

    assert fetched == {1: (False, True, b"From:"), 2: (True, True, b"From:")}


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_mail_is_fetched_whole_up_to_the_very_byte_of_the_limit(
    dovecot: Dovecot, login: Login, more: int, fetch: Fetch
) -> None:
    dovecot.deliver(login, mail(1, size=1000))
    with session(dovecot, login) as opened:
        (whole,) = fetch(opened, [1], largest=10_000)
        (fetched,) = fetch(opened, [1], largest=len(whole.raw) + more)

    assert (fetched.whole, fetched.raw == whole.raw) == (more >= 0, more >= 0)


def test_a_mail_that_just_came_in_is_fetched_in_one_command(dovecot: Dovecot, login: Login) -> None:
    dovecot.deliver(login, mail(1))
    with session(dovecot, login) as opened:
        before = opened._client._imap.tagnum
        (fetched,) = opened.fetch([1], largest=10_000)

        assert opened._client._imap.tagnum == before + 1
        assert fetched.whole


@pytest.fixture
def _one_by_one(dovecot: Dovecot, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three mails, each in an answer of its own."""
    monkeypatch.setattr(imap, "_BATCH_BYTES", 0)
    for number in range(1, 4):
        dovecot.deliver(login, mail(number))


@pytest.mark.usefixtures("_one_by_one")
def test_the_session_may_be_used_while_a_fetch_is_looked_at(dovecot: Dovecot, login: Login) -> None:
    with session(dovecot, login) as opened:
        came = [(one.uid, opened.uids(since=one.uid)) for one in opened.fetch([1, 2, 3], largest=10_000)]

    assert came == [(1, [1, 2, 3]), (2, [2, 3]), (3, [3])]


def test_more_mails_than_fit_into_a_batch_all_come(
    dovecot: Dovecot, login: Login, monkeypatch: pytest.MonkeyPatch, fetch: Fetch
) -> None:
    monkeypatch.setattr(imap, "_UIDS", 7)
    monkeypatch.setattr(imap, "_BATCH", 3)
    monkeypatch.setattr(imap, "_BATCH_BYTES", 3000)
    with dovecot.client(login) as other:
        for number in range(1, 20):
            other.append("INBOX", mail(number, size=1000 * (number % 3)))
    with session(dovecot, login) as opened:
        uids = opened.uids(since=1)
        fetched = [f.uid for f in fetch(opened, uids, largest=10_000)]
        headers = dict(opened.headers(uids, ["SUBJECT", "MESSAGE-ID"]))

    assert sorted(fetched) == uids
    assert headers[19] == b"Subject: number 19\r\nMessage-ID: <19@network.example>\r\n\r\n"
    assert len(headers) == 19


@pytest.mark.usefixtures("_one_by_one")
def test_the_next_mails_are_asked_for_while_these_are_looked_at(dovecot: Dovecot, login: Login) -> None:
    with session(dovecot, login) as opened:
        batches = opened.fetch_together([1, 2, 3], largest=10_000)
        before = opened._client._imap.tagnum
        came = [([one.uid for one in batch], opened._client._imap.tagnum - before) for batch in batches]

    # The sizes of all, and this mail and the next one.
    assert came == [([1], 3), ([2], 4), ([3], 4)]


@pytest.mark.usefixtures("_one_by_one")
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_who_stops_amid_a_fetch_may_go_on_with_the_session(dovecot: Dovecot, login: Login, tls: str) -> None:
    port = dovecot.imaps_port if tls == "implicit" else dovecot.imap_port
    with session(dovecot, login, port=port, tls=tls) as opened:
        batches = opened.fetch_together([1, 2, 3], largest=10_000)
        next(batches)
        batches.close()

        # Nothing is left over that the answer to another command would be mixed with.
        assert not opened._client._imap.tagged_commands
        assert "FETCH" not in opened._client._imap.untagged_responses
        assert opened.uids(since=1) == [1, 2, 3]
        assert [one.uid for one in opened.fetch([3, 2], largest=10_000)] == [2, 3]


@pytest.mark.usefixtures("_one_by_one")
def test_an_answer_that_cannot_be_heard_out_ends_the_connection(
    dovecot: Dovecot, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = client.Client.ask

    def ask(self: client.Client, uids: list[int], items: list[str]) -> Callable[[], dict[int, Any]]:
        def half() -> dict[int, Any]:
            raise IMAPClientError("half an answer")

        whole = usual(self, uids, items)
        return whole if uids == [1] else half

    monkeypatch.setattr(client.Client, "ask", ask)
    with session(dovecot, login) as opened:
        batches = opened.fetch_together([1, 2, 3], largest=10_000)
        next(batches)
        batches.close()

        with pytest.raises(MailboxFailed):
            opened.uids(since=1)


def test_mails_removed_by_another_session_are_left_out(dovecot: Dovecot, login: Login, fetch: Fetch) -> None:
    for number in range(1, 7):
        dovecot.deliver(login, mail(number))
    with session(dovecot, login) as opened, dovecot.client(login) as other:
        opened.ensure("Elsewhere")
        remove(other, 2)
        fetched = [f.uid for f in fetch(opened, [1, 2, 3, 99], largest=10_000)]
        remove(other, 3)
        opened.add_keyword([1, 3], "$RsvpdSeen")
        remove(other, 4)
        opened.file([1, 4, 5], "Elsewhere")
        remove(other, 6)
        opened.file([6], "Elsewhere")

    assert fetched == [1, 3]
    assert subjects(dovecot, login, "Elsewhere") == ["number 1", "number 5"]
    assert subjects(dovecot, login, "INBOX") == []


def remove(other: client.Client, uid: int) -> None:
    other.delete_messages([uid])
    other.uid_expunge([uid])


# Filing


@pytest.mark.parametrize(
    ("without", "left"),
    [((), []), (("MOVE",), []), (("MOVE", "UIDPLUS"), [{b"\\Deleted"}])],
    ids=["move", "copy", "copy and flag"],
)
def test_filing_takes_the_mails_and_nothing_that_the_owner_has_flagged(
    own_dovecot: Callable[..., Dovecot], without: tuple[str, ...], left: list[set[bytes]]
) -> None:
    server = own_dovecot(without=without)
    login = server.user()
    for number in range(1, 4):
        server.deliver(login, mail(number))
    with server.client(login) as other:
        other.add_flags([1], [b"\\Deleted"])
        other.add_flags([2], [b"\\Flagged", b"$Work"])
    untouched = [server.mails(login)[i] for i in (0, 1)]
    with session(server, login) as opened:
        opened.ensure("Invitations/Review")
        opened.add_keyword([3], "$RsvpdSeen")
        opened.file([3], "Invitations/Review")
        assert set(without).isdisjoint(opened.capabilities)

    inbox = server.mails(login)
    assert [mail for mail in inbox if mail[b"SEQ"] < 3] == untouched
    assert [mail[b"FLAGS"] - {b"$RsvpdSeen"} for mail in inbox if mail[b"SEQ"] == 3] == left
    (filed,) = server.mails(login, "Invitations/Review")
    assert filed[b"FLAGS"] == {b"$RsvpdSeen"}


def test_an_answered_mail_is_marked_and_stays_unread(dovecot: Dovecot, login: Login) -> None:
    dovecot.deliver(login, mail(1))
    with session(dovecot, login) as opened:
        opened.mark_answered([1, 99])

    assert [item[b"FLAGS"] for item in dovecot.mails(login)] == [{b"\\Answered"}]


def test_what_is_said_in_a_row_goes_out_in_one_piece(dovecot: Dovecot, login: Login, pieces: list[bytes]) -> None:
    with session(dovecot, login) as opened:
        pieces.clear()
        opened.append("Drafts", [mail(1)])
        opened.append("Drafts", [mail(number) for number in range(2, 22)])
        opened.statuses(["Drafts", "Sent"])

    assert len(pieces) == 3


@pytest.mark.parametrize("without", [(), ("MULTIAPPEND",), ("MULTIAPPEND", "LITERAL+")])
def test_appended_mails_are_there_as_they_were_given(
    own_dovecot: Callable[..., Dovecot], without: tuple[str, ...]
) -> None:
    server = own_dovecot(without=without)
    login = server.user()
    with session(server, login) as opened:
        opened.append("Drafts", [mail(1), mail(2)], ["\\Draft", "\\Seen"])
        found = opened.find_message_id("Drafts", "<1@network.example>")

    drafts = server.mails(login, "Drafts")
    assert found == [1]
    assert [draft[b"BODY[]"] for draft in drafts] == [mail(1), mail(2)]
    assert [draft[b"FLAGS"] for draft in drafts] == [{b"\\Draft", b"\\Seen"}] * 2


def test_a_folder_that_was_renumbered_says_so(own_dovecot: Callable[..., Dovecot]) -> None:
    server = own_dovecot()
    login = server.user()
    for number in range(1, 4):
        server.deliver(login, mail(number))
    with session(server, login) as opened:
        opened.ensure("Elsewhere")
        opened.file([1, 2], "Elsewhere")
        before = opened.select("INBOX")
    server.renumber(login)
    with session(server, login) as opened:
        after = opened.select("INBOX")

        assert (before.exists, before.uidnext, after.exists, after.uidnext) == (1, 4, 1, 2)
        assert before.uidvalidity != after.uidvalidity


# Listening


def test_a_new_mail_is_heard_and_the_owners_reading_is_not(dovecot: Dovecot, login: Login) -> None:
    dovecot.deliver(login, mail(1))
    with session(dovecot, login) as opened, dovecot.client(login) as other:
        opened.idle_start()
        other.add_flags([1], [b"\\Seen"])
        remove(other, 1)
        read = heard_within(opened, 3)
        dovecot.deliver(login, mail(2))
        arrived = heard_within(opened, 10)
        opened.idle_done()

        assert (read, arrived, opened.uids(since=1)) == (False, True, [2])


def test_no_mail_that_comes_while_listening_begins_is_missed(dovecot: Dovecot, login: Login) -> None:
    missed = 0
    with session(dovecot, login) as opened, selectors.DefaultSelector() as selector:
        for number in range(1, 21):
            opened.select("INBOX")
            dovecot.deliver(login, mail(number))
            opened.idle_start()
            if not opened.idle_check():
                key = selector.register(opened.socket(), selectors.EVENT_READ)
                missed += not selector.select(5)
                selector.unregister(key.fileobj)
            opened.idle_done()

    assert missed == 0


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_server_that_dies_is_noticed_at_once(own_dovecot: Callable[..., Dovecot], tls: str) -> None:
    server = own_dovecot()
    login = server.user()
    port = server.imaps_port if tls == "implicit" else server.imap_port
    with session(server, login, tls=tls, port=port) as opened, selectors.DefaultSelector() as selector:
        opened.idle_start()
        opened.idle_check()
        selector.register(opened.socket(), selectors.EVENT_READ)
        server.kill()

        assert selector.select(5)
        with pytest.raises(MailboxFailed, match="connection lost") as failed:
            opened.idle_check()
        assert not failed.value.permanent
        with pytest.raises(MailboxFailed):
            opened.noop()


def test_a_server_that_freezes_is_noticed_when_it_is_spoken_to(
    own_dovecot: Callable[..., Dovecot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_TIMEOUT", SocketTimeout(connect=1, read=1))
    server = own_dovecot()
    login = server.user()
    with session(server, login) as opened:
        opened.idle_start()
        server.freeze()

        assert not opened.idle_check(0.2)
        with pytest.raises(MailboxFailed, match="connection lost") as failed:
            opened.idle_done()
        assert not failed.value.permanent
        with pytest.raises(MailboxFailed):
            opened.select("INBOX")
    with pytest.raises(MailboxFailed, match="does not answer"):
        connect(server, login)


def test_a_server_that_was_restarted_serves_a_new_session(own_dovecot: Callable[..., Dovecot]) -> None:
    server = own_dovecot()
    login = server.user()
    with session(server, login) as opened:
        server.stop()
        server.start()
        with pytest.raises(MailboxFailed):
            opened.uids(since=1)
    server.deliver(login, mail(1))

    with session(server, login) as opened:
        assert opened.uids(since=1) == [1]


def test_a_connection_that_waits_keeps_no_more_than_a_line(dovecot: Dovecot) -> None:
    login = dovecot.user()
    with session(dovecot, login) as opened:
        if sys.version_info < (3, 14):
            assert sys.getsizeof(opened._client._imap.file) < 2048  # with its buffer


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_connection_that_waits_keeps_nothing_of_what_was_said(dovecot: Dovecot, tls: str) -> None:
    login = dovecot.user()
    port = dovecot.imaps_port if tls == "implicit" else dovecot.imap_port
    with (
        session(dovecot, login, tls=tls, port=port) as opened,
        session(dovecot, login, tls=tls, port=port) as other,
    ):
        for one in (opened, other):
            one.select("INBOX")
            assert one.idle_start()

        wire = opened._client._imap
        assert (wire.untagged_responses, wire._cmd_log) == ({}, {})
        assert opened._client.capabilities() is other._client.capabilities()
        flags = zip(*(one._folders.uses.values() for one in (opened, other)), strict=True)
        assert all(mine is theirs for mine, theirs in flags)


def test_what_is_longer_than_the_buffer_is_read_whole(dovecot: Dovecot) -> None:
    login = dovecot.user()
    raw = mail(1, size=300_000)
    dovecot.deliver(login, raw)

    with session(dovecot, login) as opened:
        (found,) = opened.fetch(opened.uids(since=1), largest=1_000_000)

    assert found.raw.count(b"x" * 300_000) == 1
