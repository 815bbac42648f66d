from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import EvidenceFiles, Me
from gateway.errors import BadSource
from gateway.evidence import Gathered, gather, sources
from gateway.evidence.calendar import read_events
from gateway.evidence.connections import read_path as read_connections
from gateway.evidence.contacts import read_cards
from gateway.evidence.nobody import Mine, is_office
from gateway.model import Acquaintance, Known, Link, Note, NoteKind, Person
from gateway.people import MemoryIndex, look_up

SAMPLES = Path(__file__).parent / "samples" / "evidence"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
ME = Me(
    name="Mira Castellan", addresses=("mira@castellan.example", "mira.castellan@example.net"), aliases=("M. Castellan",)
)
MINE = Mine(ME)
FILES = EvidenceFiles(
    contacts=(SAMPLES / "contacts.vcf",),
    calendars=(SAMPLES / "calendar.ics",),
    connections=SAMPLES / "Connections.csv",
    sent=(SAMPLES / "sent.mbox",),
    received=(SAMPLES / "inbox.mbox",),
)


def gathered(files: EvidenceFiles = FILES) -> dict[str, Gathered]:
    return {found.source: found for found in gather(files, ME, NOW)}


def cards(raw: bytes) -> list[Acquaintance]:
    return list(read_cards(raw, "a.vcf", "a.vcf", MINE))


def events(raw: bytes) -> list[Acquaintance]:
    return list(read_events(raw, "a.ics", "a.ics", MINE, NOW))


def test_an_address_book_of_all_versions_is_read() -> None:
    assert gathered()["contacts.vcf"].acquaintances == (
        Acquaintance(
            "contacts.vcf",
            Link.CONTACT,
            name="Ada Weaver",
            address="ada.weaver@acme-mills.example",
            other_addresses=("ada@weaver.example",),
            nicknames=("Addie",),
            company="Acme Mills",
            profile_url="https://www.linkedin.com/in/ada-weaver-7",
        ),
        Acquaintance("contacts.vcf", Link.CONTACT, name="Otto von Bergen", address="otto@bergen.example"),
        Acquaintance(
            "contacts.vcf", Link.CONTACT, name="Jürgen Krämer", address="kraemer@example.org", company="Kr, Söhne"
        ),
    )


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_a_card_is_read_whatever_its_charset_and_line_ends(charset: str, line_end: str) -> None:
    text = line_end.join(("BEGIN:VCARD", "VERSION:3.0", "FN:Jürgen Krämer", "EMAIL:jk@example.org", "END:VCARD", ""))

    assert [card.name for card in cards(text.encode(charset))] == ["Jürgen Krämer"]


def test_a_card_that_cannot_be_read_stops_no_other() -> None:
    raw = b"BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD\nBEGIN:VCARD\nBEGIN:N\nFN:Bo\nEND:VCARD\n"

    assert [card.name for card in cards(raw)] == ["Ada"]


LINES = [
    "FN:Ada Weaver",
    "FN:  ",
    "FN:Ada\\, Countess",
    "FN:Ada, Countess",
    "FN;CHARSET=utf-8:Ada Weaver",
    "FN;ENCODING=QUOTED-PRINTABLE:=41da Weaver",
    "FN;TYPE=QUOTED-PRINTABLE:Ada=\nWeaver",
    "FN;TYPE=x:Ada Weaver;=",
    "item1.FN:Ada\tWeaver",
    "N:Weaver;Ada;;;",
    "N:Weaver;Ada,Augusta;;Dr.;",
    "N:",
    "EMAIL:ada@weaver.example",
    "EMAIL;TYPE=INTERNET,pref:first@weaver.example",
    "EMAIL;PREF=1:second@weaver.example",
    "EMAIL;INTERNET;PREF:third@weaver.example",
    'email;type=work;type="pref":fourth@weaver.example',
    "E_MAIL:odd@weaver.example",
    "EMAIL:mailto:fifth@weaver.example",
    "EMAIL:one@weaver.example,two@weaver.example",
    "ORG:Mills;Looms",
    "ORG:;Looms",
    "ORG:Mills\\; Looms;Yarn",
    "ORG:Mills, Looms",
    "ORG:",
    "NICKNAME:Addie",
    "NICKNAME:Addie,Ad",
    "NICKNAME:quoted-printable=",
    "NIC\N{KELVIN SIGN}NAME:Kelvin",
    "URL:https://www.linkedin.com/in/ada?a=b",
    "X-SOCIALPROFILE;TYPE=linkedin:https://www.linkedin.com/in/ada;x",
    "X-SOCIALPROFILE;X-USER=ada:https://xing.com/profile/ada",
    "URL:https://a.example/@ada=",
    "VERSION:2.1",
    "BEGIN:VCARD",
    "END:N",
    "FN:Ada\x0bWeaver\x85\u2028 x",
]


@pytest.mark.parametrize("first", LINES)
def test_a_plain_card_is_read_as_one_that_is_not(first: str) -> None:
    for second in LINES:
        lines = ["BEGIN:VCARD", first, second, "FN:Ada Weaver", "EMAIL:last@weaver.example"]
        odd = [*lines, "URL;X-ODD=1:"]  # says nothing, but takes all of its card the long way
        other = "END:VCARD\nBEGIN:VCARD\nFN:Other\nEND:VCARD\n"

        plain, long = (cards(("\n".join(text) + "\n" + other).encode()) for text in (lines, odd))

        assert plain == long, second
        assert long[-1].name == "Other"


def test_the_owners_own_card_is_nobodys() -> None:
    assert cards(b"BEGIN:VCARD\nVERSION:3.0\nFN:Me\nEMAIL:Mira@castellan.example\nEND:VCARD\n") == []


def test_a_folder_of_cards_is_one_source(tmp_path: Path) -> None:
    for name in ("ada", "bo"):
        (tmp_path / f"{name}.vcf").write_text(f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nEND:VCARD\n")

    found = gathered(EvidenceFiles(contacts=(tmp_path,)))

    assert [card.name for card in found[tmp_path.name].acquaintances] == ["ada", "bo"]


def test_who_took_part_in_an_event_and_who_is_only_named() -> None:
    found = gathered()["calendar.ics"].acquaintances

    met = {person.name for person in found if person.link is Link.MET}
    mentioned = {person.name for person in found if person.link is Link.MENTIONED}
    assert met == {"Ada Weaver", "Farid Haddad", "Grażyna Wilk", "Liam Norwood", "Nils Undated"}
    assert mentioned >= {"Hannes Webb", "Quirin Pole", "Ines Moss", "Olga Dahl", "Piet Holm"}
    assert "Mira Castellan" not in met | mentioned
    assert not {"Rosa Alarm", "Room 4", "Rust Days team"} & (met | mentioned)


def test_an_attendee_is_recorded_with_title_place_and_time() -> None:
    found = [person for person in gathered()["calendar.ics"].acquaintances if person.name == "Ada Weaver"]

    when = datetime(2024, 3, 14, 8, tzinfo=UTC)
    title = "Rust Days 2024, Lyon"
    assert found == [
        Acquaintance("calendar.ics", Link.MET, "Ada Weaver", "ada@weaver.example", first=when, last=when, about=title)
    ]


def test_an_attendee_without_a_name_gets_the_one_their_address_is_made_of() -> None:
    found = {person.name: person.address for person in gathered()["calendar.ics"].acquaintances}

    assert found["Liam Norwood"] == "lnorwood@norwood.example"


def test_an_employer_in_brackets_is_recorded() -> None:
    found = {person.name: person.company for person in gathered()["calendar.ics"].acquaintances}

    assert found["Farid Haddad"] == "Borealis Tools"


def test_an_event_that_cannot_be_read_stops_no_other() -> None:
    broken = b"BEGIN:VEVENT\nBEGIN:SUMMARY\nSUMMARY:Call Bo Stone\nEND:VEVENT\n"
    raw = b"BEGIN:VCALENDAR\n" + broken + b"BEGIN:VEVENT\nSUMMARY:Call Ada Weaver\nEND:VEVENT\nEND:VCALENDAR\n"

    assert "Ada Weaver" in {person.name for person in events(raw)}


def test_connections_are_read_from_below_their_preamble() -> None:
    when, then = datetime(2019, 2, 14, tzinfo=UTC), datetime(2017, 9, 2, tzinfo=UTC)

    assert gathered()["Connections.csv"].acquaintances == (
        Acquaintance(
            "Connections.csv",
            Link.CONNECTION,
            "Rosa Thorpe",
            "rosa@thorpe.example",
            company="Thorpe, Vale & Co",
            profile_url="https://www.linkedin.com/in/rosa-thorpe",
            first=when,
            last=when,
            about="Partner",
        ),
        Acquaintance(
            "Connections.csv",
            Link.CONNECTION,
            "Jürgen Krämer, MBA",
            profile_url="https://www.linkedin.com/in/jkraemer",
            first=then,
            last=then,
        ),
    )


@pytest.mark.parametrize(
    "raw", [b"\xef\xbb\xbfFirst Name,Last Name\r\nAda,Weaver\r\n", b"First Name;Last Name\nAda;Weaver\n"]
)
def test_connections_with_a_mark_or_another_separator_are_read(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "Connections.csv"
    file.write_bytes(raw)

    assert [person.name for person in read_connections(file, "Connections.csv")] == ["Ada Weaver"]


@pytest.mark.parametrize(
    ("field", "name", "text"),
    [
        ("contacts", "a.vcf", "not a card"),
        ("contacts", "b.vcf", "BEGIN:VCARD\nVERSION:3.0\nTEL:1\nEND:VCARD\n"),
        ("calendars", "a.ics", "not a calendar"),
        ("connections", "a.csv", "Name,Age\nAda,7\n"),
        ("sent", "a.mbox", "not a mail\n"),
        ("received", "missing.mbox", None),
    ],
)
def test_a_source_that_cannot_be_read_says_which_and_what_to_do(
    tmp_path: Path, field: str, name: str, text: str | None
) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    places = file if field == "connections" else (file,)

    found = gathered(FILES.model_copy(update={field: places}))

    fault = found[name].fault
    assert fault is not None
    assert str(fault).startswith(f"{file}: ")
    assert ": " in str(fault).removeprefix(f"{file}: ")  # what is wrong, and what to do
    assert sum(other.fault is None for other in found.values()) == 4


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    other = tmp_path / "sent.mbox"

    names = [source.name for source in sources(EvidenceFiles(sent=(SAMPLES / "sent.mbox", other)), ME)]

    assert names == [str(SAMPLES / "sent.mbox"), str(other)]


def test_a_changed_file_has_another_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "contacts.vcf"
    file.write_text("BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD\n")
    (source,) = sources(EvidenceFiles(contacts=(file,)), ME)

    before = source.fingerprint()
    same = source.fingerprint()
    file.write_text("BEGIN:VCARD\nVERSION:3.0\nFN:Ada Weaver\nEND:VCARD\n")

    assert same == before
    assert source.fingerprint() != before


def test_a_missing_file_has_no_fingerprint(tmp_path: Path) -> None:
    (source,) = sources(EvidenceFiles(contacts=(tmp_path / "gone.vcf",)), ME)

    with pytest.raises(BadSource, match="is not there"):
        source.fingerprint()


@pytest.mark.parametrize(
    ("address", "name", "office"),
    [
        ("ada@weaver.example", None, False),
        ("anna-lena@x.example", None, False),
        ("no-reply@x.example", "Ada Weaver", True),
        ("donotreply@x.example", None, True),
        ("noreply-ada@x.example", None, True),
        ("MAILER-DAEMON@x.example", None, True),
        ("bounces+ada=x@y.example", None, True),
        ("notifications@x.example", "Ada Weaver", True),
        ("info@x.example", None, True),
        ("office@weaver.example", "Ada Weaver", False),  # a firm of one
        ("info@acme.example", "Acme Info", True),
        ("sekretariat@x.example", None, True),
        ("dev-request@x.example", None, True),
        ("someone@lists.x.example", None, True),
        ("club@googlegroups.com", None, True),
        ("invitations@linkedin.com", "Ada Weaver", True),
        ("aweaver@github.com", "Ada Weaver", False),
        ("nonsense", None, True),
    ],
)
def test_machines_lists_and_offices_are_nobody(address: str, name: str | None, office: bool) -> None:
    assert is_office(address, name) is office


def test_the_owners_names_and_addresses_are_known_as_such() -> None:
    assert MINE.address("Mira+lists@castellan.example")
    assert not MINE.address("ada@castellan.example")


@pytest.mark.parametrize(
    ("inviter", "known"),
    [
        ("Ada Weaver", Known.YES),
        ("Farid Haddad", Known.YES),
        ("Otto von Bergen", Known.YES),
        ("Addie Weaver", Known.MAYBE),
        ("Hannes Webb", Known.MAYBE),
        ("Olga Dahl", Known.MAYBE),
        ("Quirin Zollner", Known.MAYBE),
        ("Rosa Thorpe", Known.MAYBE),
        ("Lister Lane", Known.NO),
        ("Selma Stranger", Known.NO),
        ("Vera Vale", Known.NO),
    ],
)
def test_a_whole_world_is_read_and_asked(inviter: str, known: Known) -> None:
    index = MemoryIndex(person for found in gather(FILES, ME, NOW) for person in found.acquaintances)

    assert look_up(Person(inviter), Note(NoteKind.DEFAULT, None), index).known is known


def test_a_recommendation_in_a_real_inbox_is_seen() -> None:
    index = MemoryIndex(person for found in gather(FILES, ME, NOW) for person in found.acquaintances)

    assert look_up(Person("Rosa Thorpe"), Note(NoteKind.DEFAULT, None), index).recommended
