import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from random import Random

import pytest

from gateway.config import Me
from gateway.errors import BadSource
from gateway.evidence import correspondence
from gateway.evidence.correspondence import FIELDS, Direction, correspondents
from gateway.evidence.mails import header_blocks
from gateway.evidence.nobody import Mine, is_office
from gateway.evidence.texts import clean
from gateway.model import Acquaintance, Link
from gateway.names import fold, read
from gateway.people.keys import summed

SAMPLES = Path(__file__).parent / "samples" / "evidence"
MINE = Mine(Me(name="Mira Castellan", addresses=("mira@castellan.example", "mira.castellan@example.net")))


def sent(*blocks: bytes) -> list[Acquaintance]:
    return list(correspondents(blocks, MINE, Direction.SENT, "Sent"))


def received(*blocks: bytes) -> list[Acquaintance]:
    return list(correspondents(blocks, MINE, Direction.RECEIVED, "INBOX"))


def test_mails_to_one_person_are_summed_up_by_address_and_name() -> None:
    first, second = datetime(2024, 3, 14, 8, tzinfo=UTC), datetime(2024, 3, 15, 8, tzinfo=UTC)

    found = correspondents(header_blocks(SAMPLES / "sent.mbox"), MINE, Direction.SENT, "sent.mbox")

    assert list(found) == [
        Acquaintance(
            "sent.mbox",
            Link.WROTE_TO,
            "Weaver, Ada",
            "ada@weaver.example",
            first=first,
            last=first,
            about="Straße nach Lyon",
        ),
        Acquaintance(
            "sent.mbox",
            Link.WROTE_TO,
            "Grażyna Wilk",
            "wilk@example.org",
            first=first,
            last=first,
            about="Straße nach Lyon",
        ),
        Acquaintance(
            "sent.mbox", Link.WROTE_TO, None, "ada@weaver.example", first=second, last=second, about="Re: Lyon"
        ),
    ]


def test_lists_networks_and_machines_do_not_write_to_the_owner() -> None:
    found = correspondents(header_blocks(SAMPLES / "inbox.mbox"), MINE, Direction.RECEIVED, "inbox.mbox")

    assert [person.address for person in found] == ["ada@weaver.example", "q@zollner.example"]


def test_an_impossible_date_is_no_date() -> None:
    (person,) = received(b"From: Ada <ada@weaver.example>\nDate: Mon, 99 Foo 2024 99:00\nSubject: x\n")

    assert (person.first, person.last) == (None, None)


def test_counts_first_and_last_come_from_all_mails() -> None:
    days = [
        f"To: ada@weaver.example\nDate: {day} Mar 2024 10:00 +0000\nSubject: no {day}\n".encode() for day in (9, 17, 3)
    ]

    (person,) = sent(*days)

    assert (person.count, person.about) == (3, "no 17")
    assert person.first == datetime(2024, 3, 3, 10, tzinfo=UTC)
    assert person.last == datetime(2024, 3, 17, 10, tzinfo=UTC)


def test_an_increment_adds_up_to_the_whole() -> None:
    blocks = [f"To: ada@weaver.example\nDate: {day} Mar 2024 10:00 +0000\n".encode() for day in range(1, 9)]

    assert summed([*sent(*blocks[:3]), *sent(*blocks[3:])]) == sent(*blocks)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b'"Weaver, Ada" <ada@weaver.example>', "Weaver, Ada"),
        (b"=?utf-8?b?SsO8cmdlbg==?= =?utf-8?q?_Kr=C3=A4mer?= <ada@weaver.example>", "Jürgen Krämer"),
        (b"=?iso-8859-1?Q?J=FCrgen_Kr=E4mer?= <ada@weaver.example>", "Jürgen Krämer"),
        (b"J\xfcrgen Kr\xe4mer <ada@weaver.example>", "Jürgen Krämer"),
        ("Jürgen Krämer <ada@weaver.example>".encode(), "Jürgen Krämer"),
        (b"=?x-unknown?q?J=FCrgen?= <ada@weaver.example>", "=?x-unknown?q?J=FCrgen?="),
        (b"=?utf-8?b?!!!?= <ada@weaver.example>", None),
        (b"ada@weaver.example (Ada Weaver)", "Ada Weaver"),
        (b"'ada@weaver.example' <ada@weaver.example>", None),
        (b"<ada@weaver.example>", None),
        (b"Ada\n\tWeaver <ada@weaver.example>", "Ada Weaver"),
        (b"=?utf-8?q?Ada=00=1B=5B2J_Weaver?= <ada@weaver.example>", "Ada [2J Weaver"),
        ("Ada\u202e Weaver <ada@weaver.example>".encode(), "Ada Weaver"),
        (b"=?utf-7?q?+2AA-Ada?= <ada@weaver.example>", "Ada"),
    ],
)
def test_a_display_name_is_decoded_as_far_as_it_can_be(field: bytes, name: str | None) -> None:
    (person,) = sent(b"Subject: x\nTo: " + field + b"\nDate: 1 Mar 2024 10:00 +0000\n")

    assert (person.address, person.name) == ("ada@weaver.example", name)


@pytest.mark.parametrize(
    "block",
    [
        b"To: mira.castellan@example.net\n",
        b"To: undisclosed-recipients:;\n",
        b"To: info@acme.example\n",
        b"Subject: no recipient\n",
        b"To: \xff\xfe\n",
        b"",
        b"To: ada@weaver.example\nAuto-Submitted: auto-replied\n",
        b"To: ada@weaver.example\nX-Rsvpd-Loop: 1\n",
        b"To: ada@weaver.example\nPrecedence: bulk\n",
    ],
)
def test_a_mail_that_makes_nobody_known(block: bytes) -> None:
    assert sent(block) == []


def test_cc_and_bcc_count_and_crlf_is_understood() -> None:
    found = sent(b"TO: a@x.example,\r\n b@x.example\r\ncc: c@x.example\r\nBcc: d@x.example\r\n\r\n")

    assert [person.address for person in found] == ["a@x.example", "b@x.example", "c@x.example", "d@x.example"]


def test_a_subject_that_introduces_somebody_is_kept_by_itself() -> None:
    head = b"From: Ada Weaver <ada@weaver.example>\nDate: %d Mar 2024 10:00 +0000\nSubject: %s\n"

    found = received(head % (1, b"Introducing Bo Stone"), head % (2, b"lunch"), head % (3, b"lunch again"))

    assert {(person.about, person.count) for person in found} == {("Introducing Bo Stone", 1), ("lunch again", 2)}


def test_the_fields_asked_of_a_server_are_all_that_is_read() -> None:
    kept = b"From: a@x.example\nSubject: x\nList-Id: <l.x.example>\n"

    assert set(FIELDS) >= {"From", "To", "Cc", "Subject", "Date", "List-Id", "Auto-Submitted", "X-Rsvpd-Loop"}
    assert received(kept) == []


def test_bodies_never_make_a_correspondent() -> None:
    blocks = list(header_blocks(SAMPLES / "sent.mbox"))

    assert len(blocks) == 4
    assert not any(b"one sees the sea" in block or b"From here" in block for block in blocks)


def test_a_maildir_and_a_folder_of_mails_are_read(tmp_path: Path) -> None:
    maildir, folder = tmp_path / "Maildir", tmp_path / "folder"
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    folder.mkdir()
    (maildir / "cur" / "1:2,S").write_bytes(b"To: a@x.example\r\n\r\nbody\r\n")
    (maildir / "new" / "2").write_bytes(b"To: b@x.example\n\nbody\n")
    (maildir / "tmp" / "3").write_bytes(b"To: c@x.example\n\nhalf wri")
    (folder / "1.eml").write_bytes(b"To: d@x.example\n\nbody\n")

    assert sorted(header_blocks(maildir)) == [b"To: a@x.example\r\n", b"To: b@x.example\n"]
    assert list(header_blocks(folder)) == [b"To: d@x.example\n"]


def test_a_single_mail_and_an_empty_mbox_are_read(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(b"To: a@x.example\n\nbody\n")
    (tmp_path / "empty").write_bytes(b"")

    assert list(header_blocks(tmp_path / "one.eml")) == [b"To: a@x.example\n"]
    assert list(header_blocks(tmp_path / "empty")) == []


def test_a_picture_is_no_mbox(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    with pytest.raises(BadSource, match="neither an mbox nor a mail"):
        list(header_blocks(tmp_path / "a.png"))


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(
    "hostile",
    [
        b"(" * 900 + b"x@y.example",
        b"g:" * 400 + b"x@y.example;",
        b"(," * 900 + b"x@y.example",
        b"g:,," * 300 + b"x@y.example;",
        b"=?punycode?q?" + b"a" * 500_000 + b"-b?= <x@y.example>",
        ("a" + "\u0334\u0301" * 100_000).encode() + b" <x@y.example>",
        b"'" * 60_000 + b"x@",
        b"x@y.example," * 20_000,
        b"a." * 30_000 + b"@y.example",
    ],
    ids=lambda hostile: hostile[:12].decode("latin-1"),
)
def test_a_hostile_field_hides_nobody_else_and_costs_nothing(hostile: bytes, direction: Direction) -> None:
    blocks = [b"From: %s\nTo: %s\n" % (who, who) for who in (hostile, b"Bea <bea@example.net>")]
    began = time.process_time()

    known = correspondents(blocks, MINE, direction, "INBOX")

    assert "bea@example.net" in {person.address for person in known}
    assert time.process_time() - began < 1


def plainly(block: bytes, direction: Direction) -> Iterator[Acquaintance]:
    """The people of one mail, by the standard library, step by step and with nothing remembered from another mail."""
    fields: list[tuple[str, bytes]] = []
    for line in block.replace(b"\r", b"").split(b"\n"):
        start, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = fields[-1][0], fields[-1][1] + b"\n" + line
        elif colon:
            fields.append((start.decode("latin-1").lower(), value.lstrip(b" \t")))
        else:
            fields.append(("", b""))
    told = dict(reversed(fields))
    words = {field: [value.strip().lower() for other, value in fields if other == field] for field in told}
    automatic = "x-rsvpd-loop" in told or not {b"", b"no"}.issuperset(words.get("auto-submitted", ()))
    bulk = not {b"bulk", b"list", b"junk"}.isdisjoint(words.get("precedence", ()))
    listed = not told.keys().isdisjoint(("list-id", "list-post", "list-unsubscribe"))
    if automatic or bulk or (listed and direction is Direction.RECEIVED):
        return
    sent = direction is Direction.SENT
    wanted = ("to", "cc", "bcc") if sent else ("from",)
    values = [value for want in wanted for field, value in fields if field == want]
    readable = [v for v in values if len(v) <= (65_536 if sent else 2048) and not re.search(rb"[^,]{1000}", v)]
    pairs = dict.fromkeys(pair for value in readable for pair in plain_mailboxes(text(value)))
    subject = clean(decoded(text(told.get("subject", b"")[:2048])))[:200]
    when = plain_date(text(told.get("date", b"")[:2048]))
    for name, address in list(pairs)[:500]:
        if not is_office(address, name) and not MINE.address(address):
            link = Link.WROTE_TO if sent else Link.WROTE_ME
            yield Acquaintance("Mail", link, name, address, first=when, last=when, about=subject)


def plain_mailboxes(value: str) -> Iterator[tuple[str | None, str]]:
    outlook = r"""(?<![^\s<>,;:])["']*+[^\s"'<>,;:@]++@[^\s"'<>,;:]++["']*+\s*+(?=<)"""
    try:
        pairs = getaddresses([re.sub(outlook, "", value.replace("\n", " "))])
    except RecursionError:
        return
    for name, address in pairs:
        plain = clean(decoded(name)).strip("\"' ")
        is_name = len(plain) <= 400 and read(plain).words and plain.lower() != address.lower() and "@" not in plain
        if "@" in address:
            yield plain if is_name else None, clean(address).lower()


def plain_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")


def decoded(value: str) -> str:
    try:
        parts = decode_header(value) if "=?" in value else [(value, None)]
        return "".join(p if isinstance(p, str) else p.decode(charset or "ascii", "replace") for p, charset in parts)
    except (HeaderParseError, LookupError, ValueError):
        return value


DATES = [
    b"Mon, 03 Mar 2025 10:00:00 +0000",
    b"Mon, 3 Mar 2025 10:00:00 +0000",
    b"03 Mar 2025 10:00:00 -0000",
    b"Mon, 03 Mar 2025 10:00:00 +0100 (CET)",
    b"Mon, 03 Mar 2025 23:59:59 -1430",
    b"Mon, 03 Mar 2025 00:00:00 +1459",
    b"Mon, 03 Mar 2025 10:00:00 +2500",
    b"Mon, 03 Mar 2025 10:00:00 +0099",
    b"Mon, 03 Mar 2025 10:00:60 +0000",
    b"Mon, 03 Mar 2025 24:00:00 +0000",
    b"Mon, 03 Mar 2025 29:00:00 +0000",
    b"Sat, 29 Feb 2025 10:00:00 +0000",
    b"Sat, 29 Feb 2024 10:00:00 +0000",
    b"Sat, 00 Mar 2025 10:00:00 +0000",
    b"Sat, 39 Mar 2025 10:00:00 +0000",
    b"Mon, 03 Mrz 2025 10:00:00 +0000",
    b"Mon, 03 mar 2025 10:00:00 +0000",
    b"Mon, 03 Mar 0025 10:00:00 +0000",
    b"Mon, 03 Mar 1925 10:00:00 +0000",
    b"Mon, 03 Mar 25 10:00:00 +0000",
    b"Mon, 03 Mar 2025 10:00 +0000",
    b"Mon, 03 Mar 2025 10:00:00",
    b"Mon, 03 Mar 2025 10:00:00 GMT",
    b"Mon, 03 Mar 2025 10:00:00 EST",
    b"Mon, 03 Mar 2025\n 10:00:00 +0000",
    b"Mon, 03 Mar 2025 10:00:00 +0000 ",
    b"Mon, 03 Mar 2025 10.00.00 +0000",
    b"Mon Mar  3 10:00:00 2025",
    "Mon, ٠٣ Mar 2025 10:00:00 +0000".encode(),
    b"Mon, 03 M\xe4r 2025 10:00:00 +0000",
    b"Mon, 31 Dec 1999 23:59:59 -1200",
    b"01 Jan 2000 00:00:00 +1400",
    b"tomorrow",
    b"0" * 3000,
    b"",
]


@pytest.mark.parametrize("date", DATES, ids=repr)
def test_a_date_is_what_the_standard_library_makes_of_it(date: bytes) -> None:
    (person,) = received(b"From: Ada <ada@weaver.example>\nDate: " + date + b"\nSubject: x\n")

    assert (person.first, person.last) == (plain_date(text(date[:2048])),) * 2


PEOPLE = [
    b"Ada Weaver <ada@weaver.example>",
    b"ADA WEAVER <Ada@Weaver.example>",
    b'"Weaver, Ada" <ada@weaver.example>',
    b'"Weaver Ada" <ada@weaver.example>',
    b"ada@weaver.example (Ada Weaver)",
    b"<ada@weaver.example>, Bo Stone <bo@stone.example>",
    b"Friends: Bo Stone <bo@stone.example>, ada@weaver.example;",
    b"undisclosed-recipients:;",
    b'"Stone, \\"Bo\\"" <bo@stone.example>, , <>',
    b"=?utf-8?b?SsO8cmdlbg==?= =?utf-8?q?_Kr=C3=A4mer?= <jk@example.org>",
    b"=?iso-8859-1?Q?J=FCrgen_Kr=E4mer?= <jk@example.org>",
    b"J\xfcrgen Kr\xe4mer <jk@example.org>",
    "Jürgen Krämer <jk@example.org>".encode(),
    b"J\xfcrgen\r\n\tKr\xe4mer <jk@example.org>",
    b"'jk@example.org' <jk@example.org>",
    b"info@acme.example, Mail <mail@anna-weber.example>, Anna Weber <mail@anna-weber.example>",
    b"Mira <mira@castellan.example>, Mira <MIRA.castellan+x@example.net>",
    b"no-reply@acme.example",
    b'@, x, <y, "',
    b"(((",
    b", ".join(b"p%d@x.example" % number for number in range(700)),
    b"x" * 1001 + b"@y.example",
    b"a@y.example, " * 300,
    b"",
]
SUBJECTS = [
    b"lunch",
    b"Introducing Bo Stone",
    b"introduction: Ada <> Bo",
    b"=?utf-8?q?Stra=C3=9Fe?= nach Lyon",
    b"=?utf-8?b?!!!?=",
    b"caf\xe9",
    b"folded\r\n  subject",
    b"y" * 9000,
    b"",
]
MORE = [
    b"Auto-Submitted: no",
    b"Auto-Submitted: auto-replied",
    b"Precedence: LIST",
    b"List-Id: <l.x.example>",
    b"X-Other: From: nobody@x.example\r\n\tTo: nobody@x.example",
    b"no field at all",
]


def nasty(number: int, chance: Random) -> Iterator[bytes]:
    """Mails put together of all that is above, in both line ends; some fields twice, some missing, in any order."""
    for _ in range(number):
        lines = [b"%s: %s" % (chance.choice((b"From", b"FROM")), chance.choice(PEOPLE)) for _ in range(3)][
            : chance.choice((0, 1, 1, 1, 2))
        ]
        for field in (b"To", b"to", b"Cc", b"Bcc"):
            lines += [field + b": " + chance.choice(PEOPLE)] if chance.random() < 0.5 else []
        for field, values in ((b"Date", DATES), (b"Subject", SUBJECTS)):
            lines += [field + b":" + chance.choice((b" ", b"", b"\t")) + chance.choice(values)]
        lines = chance.sample(lines, len(lines) - (chance.random() < 0.2))
        lines += [chance.choice(MORE)] if chance.random() < 0.2 else []
        block = b"\r\n".join(lines) + b"\r\n\r\n"
        yield block.replace(b"\r", b"") if chance.random() < 0.5 else block


def plain_sum(people: Iterable[Acquaintance]) -> list[Acquaintance]:
    """Records added up one by one: the later one's name and subject, of two of a moment those of the greater repr."""
    sums: dict[tuple[str, ...], Acquaintance] = {}
    for person in people:
        subject = fold(person.about)
        kept = person.link is Link.WROTE_ME and ("<>" in person.about or "introduc" in subject)
        key = (fold(person.name or ""), person.address or "", person.about if kept else "")
        both = [*filter(None, [sums.get(key)]), person]
        newer = max(both, key=lambda one: (one.last is not None, one.last or 0, repr(one)))
        firsts = [one.first for one in both if one.first]
        sums[key] = replace(newer, count=sum(one.count for one in both), first=min(firsts, default=None))
    return list(sums.values())


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("seed", range(4))
def test_a_folder_tells_what_its_mails_tell_one_by_one(direction: Direction, seed: int) -> None:
    blocks = list(nasty(150, Random(seed)))

    found = correspondents(blocks, MINE, direction, "Mail")

    assert list(found) == plain_sum(person for block in blocks for person in plainly(block, direction))
    assert len(found) > 10


def test_nothing_is_kept_of_the_headers_that_were_read() -> None:
    assert sent(*(b"To: Ada Weaver <ada%d@weaver.example>\r\n" % number for number in range(30)))

    assert correspondence._mailboxes.cache_info().currsize == 0
