import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import EvidenceFiles, Me
from gateway.evidence import gather
from gateway.model import Acquaintance, Claim, Dossier, Known, Link, Note, NoteKind, Person
from gateway.people import MemoryIndex, look_up
from gateway.people.company import may_be_same, may_own, same
from gateway.people.keys import add, address_key, identity, keys_of, profile_key, summed
from tests.corpus import CORPUS, needs_corpus

SPRING = datetime(2024, 3, 14, tzinfo=UTC)
AUTUMN = datetime(2025, 10, 2, tzinfo=UTC)
NOTHING = Note(NoteKind.DEFAULT, None)
OWNER = ("Mira Castellan",)


def contact(name: str, address: str | None = None, **more: object) -> Acquaintance:
    return replace(Acquaintance("contacts.vcf", Link.CONTACT, name=name, address=address), **more)  # type: ignore[arg-type]


def wrote_to(address: str, name: str | None = None, about: str = "slides", count: int = 1) -> Acquaintance:
    return Acquaintance("sent.mbox", Link.WROTE_TO, name, address, count=count, first=SPRING, last=AUTUMN, about=about)


def wrote_me(name: str | None, address: str, about: str = "a question") -> Acquaintance:
    return Acquaintance("inbox.mbox", Link.WROTE_ME, name, address, first=SPRING, last=SPRING, about=about)


def met(name: str, address: str | None = None, about: str = "Rust Days 2024, Lyon", **more: object) -> Acquaintance:
    event = Acquaintance("calendar.ics", Link.MET, name, address, first=SPRING, last=SPRING, about=about)
    return replace(event, **more)  # type: ignore[arg-type]


def mentioned(name: str) -> Acquaintance:
    return Acquaintance("calendar.ics", Link.MENTIONED, name, about="Reading group", last=SPRING)


def connection(name: str, url: str = "https://www.linkedin.com/in/somebody", **more: object) -> Acquaintance:
    row = Acquaintance("connections.csv", Link.CONNECTION, name, profile_url=url)
    return replace(row, **more)  # type: ignore[arg-type]


def dossier(inviter: Person | str, *records: Acquaintance, note: str | None = None) -> Dossier:
    person = Person(name=inviter) if isinstance(inviter, str) else inviter
    wrote = Note(NoteKind.PERSONAL, note) if note else NOTHING
    return look_up(person, wrote, MemoryIndex(records), names=OWNER)


ADA = "Ada Weaver"
SLUG = "https://www.linkedin.com/in/ada-weaver-7"
STRANGER = contact("Bo Stone", "bo@stone.example")

RULES = [
    # yes: the address
    (Person(ADA, address="ada@weaver.example"), [wrote_to("ada@weaver.example")], Known.YES),
    (Person("Addie W.", address="Ada@Weaver.example"), [wrote_to("ada@weaver.example", ADA)], Known.YES),
    (Person(ADA, address="a@x.example"), [contact(ADA, "old@x.example", other_addresses=("a@x.example",))], Known.YES),
    (Person(ADA, address="ada@weaver.example"), [wrote_me(ADA, "ada@weaver.example")], Known.MAYBE),
    (Person(ADA, address="other@weaver.example"), [contact(ADA, "ada@weaver.example")], Known.YES),
    # yes: the profile
    (Person("Ada W.", profile_url=SLUG), [contact(ADA, profile_url="de.linkedin.com/in/Ada-Weaver-7/")], Known.YES),
    (Person("Ada W.", profile_url=SLUG), [connection(ADA, SLUG)], Known.MAYBE),
    (Person(ADA, profile_url=SLUG), [contact(ADA, profile_url="https://www.linkedin.com/in/other-ada")], Known.MAYBE),
    # yes: the full name, one person
    (Person(ADA), [contact(ADA, "ada@weaver.example")], Known.YES),
    (Person("ADA WEAVER"), [wrote_to("ada@weaver.example", "Weaver, Ada")], Known.YES),
    (Person("Zoe Angstrom"), [met("Zoë Ångström")], Known.YES),
    (Person(ADA), [met(ADA, "ada@weaver.example")], Known.YES),
    (Person(ADA), [wrote_to("ada@weaver.example"), wrote_me(ADA, "ada@weaver.example")], Known.YES),
    (Person(ADA), [Acquaintance("journal", Link.ANSWERED, ADA, "ada@weaver.example")], Known.YES),
    (Person(ADA), [contact(ADA), met(ADA, "ada@weaver.example")], Known.YES),
    (Person(ADA), [contact(ADA, "ada@weaver.example"), wrote_me(ADA, "spam@x.example")], Known.YES),
    (Person(ADA, profile_url=SLUG), [contact(ADA, "a@x.example"), connection(ADA, SLUG)], Known.YES),
    (Person(ADA, address="b@y.example"), [contact(ADA, "a@x.example"), wrote_me(ADA, "b@y.example")], Known.YES),
    # maybe: several people
    (Person(ADA), [contact(ADA, "a@x.example"), contact(ADA, "b@y.example")], Known.MAYBE),
    (Person("Zoe Ray"), [wrote_to("zoe@x.example", "Zoe Ray"), met("Zoë Ray", "z@y.example")], Known.MAYBE),
    (Person(ADA), [contact(ADA, company="Acme"), contact(ADA, company="Borealis")], Known.MAYBE),
    (Person(ADA, address="b@y.example"), [contact(ADA, "a@x.example"), wrote_to("b@y.example", ADA)], Known.YES),
    (Person(ADA), [contact(ADA, "a@x.example", company="Ac"), contact(ADA, "b@y.example", company="AC")], Known.YES),
    # maybe: the company
    (Person(ADA, company="Borealis Tools"), [contact(ADA, "a@x.example", company="Acme Mills")], Known.MAYBE),
    (Person(ADA, company="Acme GmbH"), [contact(ADA, "a@x.example", company="ACME")], Known.YES),
    (Person(ADA, company="Borealis Tools"), [contact(ADA, "a@borealis.example", company="Acme")], Known.YES),
    (Person(ADA, company="Borealis Tools"), [wrote_to("a@acme.example", ADA)], Known.YES),
    (Person(ADA, company="Borealis"), [met(ADA, company="Acme Mills")], Known.MAYBE),
    (Person(ADA, company="Borealis", address="a@x.example"), [contact(ADA, "a@x.example", company="Acme")], Known.YES),
    # maybe: a trace only
    (Person(ADA), [wrote_me(ADA, "ada@weaver.example")], Known.MAYBE),
    (Person(ADA), [connection(ADA)], Known.MAYBE),
    (Person(ADA, profile_url=SLUG), [connection(ADA)], Known.MAYBE),
    (Person(ADA), [mentioned(ADA)], Known.MAYBE),
    # maybe: a variant
    (Person("Bill Turner"), [contact("William Turner", "w@x.example")], Known.MAYBE),
    (Person("Flash Turner"), [contact("William Turner", "w@x.example", nicknames=("Flash",))], Known.MAYBE),
    (Person("Turner William"), [contact("William Turner", "w@x.example")], Known.MAYBE),
    (Person("W. Turner"), [contact("William Turner", "w@x.example")], Known.MAYBE),
    (Person("William Turner"), [wrote_to("w@x.example", "W Turner")], Known.MAYBE),
    (Person("Juergen Kraemer"), [contact("Jürgen Krämer")], Known.MAYBE),
    (Person("Yuri Zhukov"), [contact("Юрий Жуков")], Known.MAYBE),
    (Person("Wang Xiaoming"), [contact("王小明")], Known.MAYBE),
    (Person("Ada (Weaver) Lindholm"), [contact(ADA)], Known.MAYBE),
    (Person("Xiaoming Wang (王小明)"), [contact("王小明")], Known.MAYBE),
    (Person("Bo Lindholm (Weaver)"), [contact(ADA)], Known.NO),
    (Person("wturner"), [contact("William Turner")], Known.MAYBE),
    (Person("william.turner"), [contact("William Turner")], Known.MAYBE),
    (Person("turner"), [contact("William Turner")], Known.NO),
    (Person("ada@weaver.example"), [contact("Ada", "ada@weaver.example")], Known.MAYBE),
    (Person("Suharto"), [contact("Suharto")], Known.MAYBE),
    # no
    (Person(ADA), [STRANGER], Known.NO),
    (Person("Ada"), [contact(ADA)], Known.NO),
    (Person("Аda Weaver"), [contact(ADA)], Known.NO),  # Cyrillic A
    (Person(), [contact(ADA)], Known.NO),
    (Person("Ada Stone"), [contact(ADA), STRANGER], Known.NO),
    (Person("Mira Castellan"), [contact("Mira Castellan", "mira@elsewhere.example")], Known.NO),
]  # fmt: skip


@pytest.mark.parametrize(("inviter", "records", "known"), RULES)
def test_how_well_somebody_is_known(inviter: Person, records: list[Acquaintance], known: Known) -> None:
    assert dossier(inviter, *records).known is known


@pytest.mark.parametrize(("inviter", "records", "known"), RULES)
def test_an_unrelated_acquaintance_changes_nothing(inviter: Person, records: list[Acquaintance], known: Known) -> None:
    unrelated = (contact("Quirin Zollner", "q@zollner.example"), wrote_me("Iva Pole", "iva@pole.example"))

    assert dossier(inviter, *records, *unrelated) == dossier(inviter, *records)


@pytest.mark.parametrize(("inviter", "records", "known"), RULES)
def test_the_order_of_the_sources_changes_nothing(inviter: Person, records: list[Acquaintance], known: Known) -> None:
    crowd = [*records, connection(ADA, SLUG), met("Bo Stone", "bo@stone.example")]

    dossiers = {repr(dossier(inviter, *order)) for order in permutations(crowd)}

    assert len(dossiers) == 1


def test_a_dossier_says_where_when_and_how_often() -> None:
    found = dossier(ADA, wrote_to("ada@weaver.example", ADA, about="Workshop in Lyon", count=4))

    assert found.why == (
        "the full name is exactly one person in your records: you wrote to Ada Weaver <ada@weaver.example> 4 times, "
        "last 2025-10-02: 'Workshop in Lyon' (sent.mbox)"
    )


def test_every_match_has_a_line_to_check() -> None:
    found = dossier(ADA, contact(ADA, "ada@weaver.example", company="Acme"), met(ADA, "ada@weaver.example"))

    assert [match.why.partition(": ")[2] for match in found.matches] == [
        "Ada Weaver <ada@weaver.example> took part in 'Rust Days 2024, Lyon' on 2024-03-14 (calendar.ics)",
        "Ada Weaver <ada@weaver.example> stands in contacts.vcf (Acme)",
    ]


def test_homonyms_are_all_laid_out() -> None:
    found = dossier(ADA, contact(ADA, "a@x.example"), contact(ADA, "b@y.example"))

    assert {match.acquaintance.address for match in found.matches} == {"a@x.example", "b@y.example"}
    assert found.why.startswith("several people in your records have this name: ")


def test_who_shares_only_the_name_with_a_known_address_stays_doubtful() -> None:
    inviter = Person(ADA, address="b@y.example")

    found = dossier(inviter, wrote_to("b@y.example", ADA), met(ADA, "a@x.example"))

    assert {match.acquaintance.address: match.known for match in found.matches} == {
        "b@y.example": Known.YES,
        "a@x.example": Known.MAYBE,
    }
    assert found.address == "b@y.example"


def test_a_variant_says_whose_and_why() -> None:
    found = dossier("Bill Turner", contact("William Turner", "w@x.example"))

    assert found.why == (
        "only a variant of William Turner (a nickname): William Turner <w@x.example> stands in contacts.vcf"
    )


def test_a_name_in_mixed_scripts_is_told_from_what_it_poses_as() -> None:
    found = dossier("Аda Weaver", contact(ADA))

    assert found.why == (
        "the name mixes letters of several scripts to look like Ada Weaver; it is compared with nobody"
    )


@pytest.mark.parametrize("written_to", [(), (wrote_to("post@tracker.example"),)])
def test_a_machine_that_writes_for_many_makes_none_of_them_known(written_to: tuple[Acquaintance, ...]) -> None:
    names = ("Ada Weaver", "Bo Stone", "Cy Pole", "Di Webb")
    relayed = [wrote_me(name, "post@tracker.example") for name in names]

    assert dossier(ADA, *relayed, *written_to).known is Known.NO


def test_somebody_with_many_ways_of_signing_is_one_person() -> None:
    names = ("Ada Weaver", "ada", "Weaver, A.", "Ada W.", "A. Weaver (Acme)", "Addie Weaver")
    signed = [wrote_me(name, "ada@weaver.example") for name in names]

    assert dossier(ADA, *signed, wrote_to("ada@weaver.example")).known is Known.YES


@pytest.mark.parametrize(
    ("records", "address"),
    [
        ([contact(ADA, "ada@weaver.example")], "ada@weaver.example"),
        ([contact(ADA, "ada@weaver.example"), wrote_to("Ada@weaver.example", ADA)], "ada@weaver.example"),
        ([contact(ADA, "ada@weaver.example", other_addresses=("aw@acme.example",))], None),
        ([contact(ADA)], None),
        ([met(ADA, "ada@weaver.example")], None),  # neither mail nor address book
        ([met(ADA), wrote_me(ADA, "ada@weaver.example")], None),  # perhaps somebody else of that name
        (
            [contact(ADA, "ada@weaver.example"), connection(ADA, SLUG, address="old@weaver.example")],
            "ada@weaver.example",
        ),
        ([contact(ADA, "a@x.example"), contact(ADA, "b@y.example")], None),
        ([contact("Ada B. Weaver", "ada@weaver.example")], None),
    ],
)
def test_the_one_address_of_the_one_person_is_offered(records: list[Acquaintance], address: str | None) -> None:
    found = dossier(ADA, *records)

    assert (found.address or "").lower() == (address or "")


@pytest.mark.parametrize(
    ("note", "known"),
    [
        ("New surname, same Ada (Weaver)! Remember the choir?", Known.MAYBE),
        ("You knew me as Ada Weaver.", Known.MAYBE),
        ("Bo Stone told me about you.", Known.NO),
        ("Hello from Lyon", Known.NO),
    ],
)
def test_a_former_name_in_the_note_makes_a_maybe(note: str, known: Known) -> None:
    found = dossier("Ada Lindholm", contact(ADA, "ada@weaver.example"), STRANGER, note=note)

    assert found.known is known


def claims(inviter: str, *records: Acquaintance, place: str | None = None, referee: str | None = None) -> list[Claim]:
    note = Note(NoteKind.PERSONAL, "Hello", place=place, referee=referee)
    return list(look_up(Person(inviter), note, MemoryIndex(records), names=OWNER).claims)


@pytest.mark.parametrize(
    ("place", "outcome"),
    [
        ("Rust Days", "verified"),
        ("the Rust Days 2024", "verified"),
        ("Lyon", "verified"),
        ("Rust Days 2023", "unverified"),
        ("Haskell Weekend", "unverified"),
        ("the workshop", "unverified"),
    ],
)
def test_a_claimed_meeting_is_checked_against_the_calendar(place: str, outcome: str) -> None:
    (claim,) = claims(ADA, met(ADA), met("Bo Stone"), place=place)

    assert claim.outcome == outcome


def test_an_event_that_names_others_contradicts() -> None:
    (claim,) = claims("Cy Pole", met(ADA), met("Bo Stone"), place="Rust Days")

    assert claim == Claim(
        "met: Rust Days", "contradicted", "your calendar names 2 people for 'Rust Days 2024, Lyon', but not the inviter"
    )


def test_somebody_who_is_only_perhaps_the_attendee_stays_unverified() -> None:
    (claim,) = claims("A. Weaver", met(ADA), met("Bo Stone"), place="Rust Days")

    assert claim.outcome == "unverified"


def test_a_subject_of_the_referees_mail_verifies_a_referral() -> None:
    introduction = wrote_me("Bo Stone", "bo@stone.example", about="Introducing Cy Pole")

    (verified,) = claims("Cy Pole", STRANGER, introduction, referee="Bo Stone")
    (unverified,) = claims("Di Webb", STRANGER, introduction, referee="Bo Stone")
    (unknown,) = claims("Di Webb", STRANGER, introduction, referee="Ed Moss")

    assert (verified.outcome, unverified.outcome, unknown.outcome) == ("verified", "unverified", "unverified")
    assert unknown.why == "your records know nobody of that name"


@pytest.mark.parametrize(
    ("records", "recommended"),
    [
        ([STRANGER, wrote_me("Bo Stone", "bo@stone.example", about="Introducing Cy Pole")], True),
        ([STRANGER, wrote_me("Bo Stone", "bo@stone.example", about="Empfehlung: Cy Pole")], True),
        ([STRANGER, wrote_me("Bo Stone", "bo@stone.example", about="Complaint about Cy Pole")], False),
        ([STRANGER, wrote_me("Bo Stone", "bo@stone.example", about="Introducing Di Webb")], False),
        ([wrote_me("Bo Stone", "bo@stone.example", about="Introducing Cy Pole")], False),  # of no acquaintance
        ([wrote_to("cy@pole.example"), wrote_me("Cy Pole", "cy@pole.example", about="Introduction of Cy Pole")], False),
    ],
)
def test_only_an_acquaintances_subject_recommends_by_name(records: list[Acquaintance], recommended: bool) -> None:
    assert dossier("Cy Pole", *records).recommended is recommended


def test_to_be_recommended_is_not_to_be_known() -> None:
    introduction = wrote_me("Bo Stone", "bo@stone.example", about="Introducing Cy Pole")

    assert dossier("Cy Pole", STRANGER, introduction).known is Known.NO


@pytest.mark.parametrize(
    ("sender", "subject", "announced"),
    [
        (ADA, "I'll add you on LinkedIn", True),
        (ADA, "Let us connect", True),
        (ADA, "your talk", False),
        ("Bo Stone", "I'll add you on LinkedIn", False),
    ],
)
def test_an_invitation_announced_by_mail_is_noticed(sender: str, subject: str, announced: bool) -> None:
    assert dossier(ADA, wrote_me(sender, "x@weaver.example", about=subject)).announced is announced


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Acme", "ACME Inc.", True),
        ("Université de Valdor", "Valdor University", True),
        ("Müller Maschinenbau GmbH", "Mueller Maschinenbau", True),
        ("International Business Machines", "IBM", True),
        ("Norwood Institute", "Institute", True),  # too little to tell
        ("清林大学", "Qinglin University", True),
        ("Acme Mills", "Borealis Tools", False),
        ("University of Valdor", "University of Norwood", False),
        ("Acme Software GmbH", "Borealis Software GmbH", False),
    ],
)
def test_companies_are_compared_by_what_tells_them_apart(one: str, other: str, same: bool) -> None:
    assert may_be_same(one, other) is same
    assert may_be_same(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "surely"),
    [
        ("Harbour University", "harbour university", True),
        ("Harbour University", "Universität Harbour", True),
        ("University of Harbour", "Harbour University", True),
        ("Borealis Tools GmbH", "Borealis Tools", True),
        ("Harbour University", "Harbour Consulting", False),
        ("Harbour University", "Harbour College", False),
        ("Harbour University", "Harbour", False),
        ("Harbour University", "Harbour University Press", False),
        ("Meyer AG", "Maier AG", False),
        ("University", "University", False),
        ("", "", False),
    ],
)
def test_only_names_of_the_same_words_surely_mean_the_same(one: str, other: str, surely: bool) -> None:
    assert same(one, other) is same(other, one) is surely


def test_a_mail_domain_may_show_the_company() -> None:
    assert may_own("mail.borealis-tools.example", "Borealis Tools")
    assert not may_own("acme.example", "Borealis Tools")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://www.linkedin.com/in/Ada-7/", "http://de.linkedin.com/in/ada-7?trk=x"),
        ("https://www.linkedin.com/profile/view?id=AAs1&trk=a", "linkedin.com/profile/view?id=AAs1"),
        ("https://www.linkedin.com/in/j%C3%BCrgen-k", "https://www.linkedin.com/in/jürgen-k"),
    ],
)
def test_a_profile_has_one_key_however_its_link_is_written(one: str, other: str) -> None:
    assert profile_key(one) == profile_key(other)


def test_an_address_has_one_key_in_any_case_and_with_any_tag() -> None:
    assert address_key("Ada+lists@Weaver.example") == address_key("ada@weaver.example")
    assert address_key("ada@googlemail.com") == address_key("ada@gmail.com")
    assert address_key("ada@weaver.example") != address_key("bo@weaver.example")


def test_records_of_one_identity_are_summed_up() -> None:
    early = wrote_to("ada@weaver.example", ADA, about="first")
    late = replace(early, first=AUTUMN, last=datetime(2026, 1, 5, tzinfo=UTC), about="latest", count=2)

    assert summed([late, early]) == [replace(late, first=SPRING, count=3)]


MOMENTS = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
RECORDS = st.builds(
    Acquaintance,
    source=st.just("s"),
    link=st.sampled_from(Link),
    name=st.sampled_from(["Ada Weaver", "A. Weaver", "Bo Stone", None]),
    address=st.sampled_from(["a@x.example", "b@y.example", None]),
    company=st.sampled_from(["Acme", None]),
    profile_url=st.sampled_from([SLUG, None]),
    first=MOMENTS,
    last=MOMENTS,
    about=st.sampled_from(["", "Introducing Ada Weaver", "slides"]),
)


@given(RECORDS, RECORDS)
def test_summing_up_is_the_same_both_ways(one: Acquaintance, other: Acquaintance) -> None:
    assert add(one, other) == add(other, one)
    assert identity(one) == identity(replace(one, count=7))


WITH_LISTS = st.builds(
    replace,
    RECORDS,
    other_addresses=st.sampled_from([(), ("a@x.example",), ("c@z.example", "b@y.example")]),
    nicknames=st.sampled_from([(), ("Addie",), ("Addie", "Ad")]),
    last=st.sampled_from([None, SPRING, AUTUMN]),
    count=st.sampled_from([1, 2, 10]),
)


@given(WITH_LISTS, WITH_LISTS)
def test_the_later_of_two_records_decides_and_what_it_lacks_is_taken_from_the_other(
    one: Acquaintance, other: Acquaintance
) -> None:
    older, newer = sorted((one, other), key=lambda record: (record.last is not None, record.last or 0, repr(record)))

    assert add(one, other) == replace(
        newer,
        other_addresses=tuple(sorted({*one.other_addresses, *other.other_addresses} - {newer.address})),
        nicknames=tuple(sorted({*one.nicknames, *other.nicknames})),
        company=newer.company or older.company,
        profile_url=newer.profile_url or older.profile_url,
        count=one.count + other.count,
        first=min((record.first for record in (one, other) if record.first), default=None),
    )


@given(st.lists(RECORDS, max_size=6, unique=True), st.randoms())
def test_any_world_gives_one_dossier_in_any_order(records: list[Acquaintance], chance: object) -> None:
    shuffled = sorted(records, key=lambda record: hash((repr(record), id(chance))))

    assert dossier(Person(ADA, profile_url=SLUG), *shuffled) == dossier(Person(ADA, profile_url=SLUG), *records)


@given(st.lists(RECORDS, max_size=6, unique=True))
def test_an_address_is_offered_only_where_the_person_is_known(records: list[Acquaintance]) -> None:
    found = dossier(ADA, *records)

    assert found.address is None or found.known is Known.YES
    assert found.known is Known.NO or found.matches


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_is_too_odd_to_look_up(inviter: str, other: str) -> None:
    record = contact(other, "x@y.example", nicknames=(inviter,))

    assert keys_of(record)
    assert dossier(inviter, record)


def world() -> tuple[MemoryIndex, tuple[str, ...]]:
    owner = json.loads((CORPUS / "world" / "owner.json").read_text("utf-8"))
    me = Me(name=owner["name"], addresses=owner["addresses"], aliases=owner["aliases"])
    folder = CORPUS / "world"
    files = EvidenceFiles(
        contacts=(folder / "contacts.vcf",),
        calendars=(folder / "calendar.ics",),
        connections=folder / "connections.csv",
        sent=(folder / "sent.mbox",),
        received=(folder / "inbox.mbox",),
    )
    gathered = list(gather(files, me, datetime(2026, 11, 23, tzinfo=UTC)))
    assert [found.fault for found in gathered] == [None] * 5
    return MemoryIndex(item for found in gathered for item in found.acquaintances), (me.name, *me.aliases)


def labelled() -> Iterable[tuple[str, Person, Note, Known]]:
    for line in (CORPUS / "labels.jsonl").read_text("utf-8").splitlines():
        label = json.loads(line)
        if label["kind"] in ("invitation", "reminder"):
            note = Note(NoteKind(label["note"]["kind"]), label["note"]["text"])
            yield label["file"], Person(**(label["inviter"] or {})), note, Known(label["known"])


@needs_corpus
def test_the_corpus_is_judged_as_its_reader_did() -> None:
    index, names = world()
    found = {file: (look_up(person, note, index, names=names), known) for file, person, note, known in labelled()}

    wrong = {file: (dossier.known, known) for file, (dossier, known) in found.items() if dossier.known is not known}
    false_yes = {file for file, (got, _) in wrong.items() if got is Known.YES}
    silent = {file for file, (dossier, _) in found.items() if not dossier.why}

    assert false_yes == set()
    assert silent == set()
    assert 1 - len(wrong) / len(found) >= 0.97, wrong
