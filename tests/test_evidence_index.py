from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from gateway.evidence import gather
from gateway.journal.index import PeopleIndex, SourceState
from gateway.journal.store import Store
from gateway.model import Acquaintance, Known, Link, Note, NoteKind, Person
from gateway.people import MemoryIndex, look_up
from gateway.people.keys import keys_of
from tests.test_evidence import FILES, ME

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SPRING = datetime(2024, 3, 14, tzinfo=UTC)
AUTUMN = datetime(2025, 10, 2, tzinfo=UTC)
ADA = Acquaintance("Sent", Link.WROTE_TO, "Ada Weaver", "ada@weaver.example", first=SPRING, last=SPRING, about="slides")
BO = Acquaintance("Sent", Link.WROTE_TO, "Bo Stone", "bo@stone.example", first=SPRING, last=SPRING, about="lunch")
NOTHING = Note(NoteKind.DEFAULT, None)


@pytest.fixture
def index(store: Store) -> PeopleIndex:
    return PeopleIndex(store, "mira")


def known(index: PeopleIndex, name: str) -> Known:
    return look_up(Person(name), NOTHING, index).known


def everything(store: Store) -> str:
    """Whatever stands in the people tables, as text."""
    with store.read() as connection:
        tables = ("people", "people_keys", "people_sources", "people_forgotten")
        return repr([sorted(map(repr, connection.execute(text(f"SELECT * FROM {table}")))) for table in tables])


def test_what_was_stored_is_found_whole(index: PeopleIndex) -> None:
    card = Acquaintance(
        "contacts.vcf",
        Link.CONTACT,
        "Otto von Bergen",
        "otto@bergen.example",
        other_addresses=("o@x.example",),
        nicknames=("Otti",),
        company="Acme",
        profile_url="https://www.linkedin.com/in/otto",
        count=3,
        first=SPRING,
        last=AUTUMN,
        about="about",
    )

    index.replace("contacts.vcf", [card], "", NOW)

    assert [list(index.find([key])) for key in sorted(keys_of(card))] == [[card]] * len(keys_of(card))


def test_the_index_gives_the_same_dossiers_as_memory(index: PeopleIndex) -> None:
    people = [person for found in gather(FILES, ME, NOW) for person in found.acquaintances]
    for source in {person.source for person in people}:
        index.replace(source, [person for person in people if person.source == source], "", NOW)
    inviters = [Person(name) for name in ("Ada Weaver", "Addie Weaver", "Liam Norwood", "Rosa Thorpe", "Nobody Here")]

    stored = [look_up(inviter, NOTHING, index) for inviter in inviters]

    assert stored == [look_up(inviter, NOTHING, MemoryIndex(people)) for inviter in inviters]


def test_a_source_read_again_replaces_what_it_said(index: PeopleIndex) -> None:
    index.replace("Sent", [ADA], "1", NOW)
    index.replace("Sent", [BO], "2", LATER)

    assert (known(index, "Ada Weaver"), known(index, "Bo Stone")) == (Known.NO, Known.YES)
    assert index.sources() == [SourceState("Sent", "2", LATER, "")]


def test_an_increment_adds_to_what_was_known(index: PeopleIndex) -> None:
    news = replace(ADA, count=2, first=AUTUMN, last=AUTUMN, about="proofs")

    index.merge("Sent", [ADA], "7:100", NOW)
    index.merge("Sent", [news, BO], "7:140", LATER)

    assert list(index.find(["a:ada@weaver.example"])) == [replace(news, first=SPRING, count=3)]
    assert (index.size(), index.state("Sent")) == (2, "7:140")


def test_what_was_read_in_steps_is_what_is_read_at_once(index: PeopleIndex, store: Store) -> None:
    ordered = replace(ADA, name="Weaver, Ada")
    introduction = replace(ADA, link=Link.WROTE_ME, about="Introducing Bo Stone")
    steps = [
        [ADA, BO, introduction, ordered],
        [replace(BO, last=AUTUMN, about="tea"), replace(ordered, name="Weaver Ada", last=AUTUMN)],
        [introduction, replace(introduction, about="tea"), replace(BO, nicknames=("Bobby",)), BO],
    ]
    for step in steps:
        index.merge("Sent", step, "7:9", NOW)
    in_steps = everything(store)

    index.replace("Sent", [person for step in steps for person in step], "7:9", NOW)

    assert in_steps == everything(store)
    assert [person.count for person in index.find(["n:bobby stone"])] == [4]


def test_titles_that_are_alike_without_a_forgotten_name_are_one_record(index: PeopleIndex, store: Store) -> None:
    titles = ("PhD defence Ada Weaver", "Party for Ada Weaver", "Rust Days")
    there = [Acquaintance("calendar.ics", Link.MET, "Bo Stone", about=title) for title in titles]
    index.replace("calendar.ics", there, "1", NOW)

    index.forget("Ada Weaver", NOW)
    at_once = everything(store)
    index.replace("calendar.ics", there, "1", NOW)

    assert sorted((one.about, one.count) for one in index.find(["n:bo stone"])) == [("", 2), ("Rust Days", 1)]
    assert at_once == everything(store)


def test_a_subject_that_told_of_somebody_forgotten_does_not_lead_to_it_any_more(index: PeopleIndex) -> None:
    introduction = replace(ADA, link=Link.WROTE_ME, about="introduction of Bo Stone")
    index.merge("Sent", [introduction], "7:1", NOW)
    before = list(index.find(["s:bo stone"]))
    index.forget("Bo Stone", NOW)

    index.merge("Sent", [introduction], "7:2", LATER)

    assert before == [introduction]
    assert index.find(["s:bo stone"]) == []
    assert [person.count for person in index.find(["a:ada@weaver.example"])] == [2]


def test_a_source_that_fails_keeps_what_is_known_and_says_so(index: PeopleIndex) -> None:
    index.replace("Sent", [ADA], "1", NOW)

    index.failed("Sent", "Sent: is not there")
    index.failed("contacts.vcf", "contacts.vcf: is not there")

    assert known(index, "Ada Weaver") is Known.YES
    assert index.sources() == [
        SourceState("Sent", "1", NOW, "Sent: is not there"),
        SourceState("contacts.vcf", "", None, "contacts.vcf: is not there"),
    ]


def test_a_source_that_can_be_read_again_is_no_fault_any_more(index: PeopleIndex) -> None:
    index.failed("Sent", "away")
    index.replace("Sent", [ADA], "1", NOW)

    assert index.sources() == [SourceState("Sent", "1", NOW, "")]


def test_a_replacement_that_breaks_off_leaves_the_old_whole(index: PeopleIndex) -> None:
    index.replace("Sent", [ADA], "1", NOW)

    with pytest.raises(ZeroDivisionError):
        index.replace("Sent", (BO if number < 3 else 1 // 0 for number in range(9)), "2", LATER)  # type: ignore[misc]

    assert known(index, "Ada Weaver") is Known.YES
    assert index.state("Sent") == "1"


def test_sources_taken_out_of_the_settings_are_dropped(index: PeopleIndex) -> None:
    index.replace("Sent", [ADA], "1", NOW)
    index.replace("contacts.vcf", [replace(BO, source="contacts.vcf")], "1", NOW)

    index.keep_only(["contacts.vcf"])

    assert (known(index, "Ada Weaver"), known(index, "Bo Stone")) == (Known.NO, Known.YES)
    assert [source.source for source in index.sources()] == ["contacts.vcf"]


def test_owners_of_one_journal_know_nothing_of_each_other(store: Store) -> None:
    mine, yours = PeopleIndex(store, "mira"), PeopleIndex(store, "noor")
    mine.replace("Sent", [ADA], "1", NOW)
    yours.replace("Sent", [BO], "1", NOW)

    yours.forget("ada@weaver.example", NOW)
    yours.keep_only([])

    assert (known(mine, "Ada Weaver"), known(yours, "Ada Weaver")) == (Known.YES, Known.NO)
    assert (mine.size(), yours.size()) == (1, 0)


CARD = Acquaintance(
    "contacts.vcf", Link.CONTACT, "Ada Weaver", "ada@weaver.example", other_addresses=("aw@acme.example",)
)
AT_WORK = replace(ADA, name="A. Weaver", address="aw@acme.example")
AT_EVENT = Acquaintance("calendar.ics", Link.MET, "Ada Weaver", about="Rust Days")
THERE_TOO = Acquaintance("calendar.ics", Link.MET, "Bo Stone", about="PhD defence Ada Weaver")
NAMESAKE = Acquaintance("inbox.mbox", Link.WROTE_ME, "Ada Weaver", "another@ada.example")
WORLD = [CARD, ADA, AT_WORK, AT_EVENT, THERE_TOO, NAMESAKE, BO]


def fill(index: PeopleIndex) -> None:
    for source in {person.source for person in WORLD}:
        index.replace(source, [person for person in WORLD if person.source == source], "1", NOW)


@pytest.mark.parametrize("who", ["ada@weaver.example", "AW@Acme.example"])
def test_who_is_forgotten_by_address_is_gone_for_good(index: PeopleIndex, store: Store, who: str) -> None:
    fill(index)

    index.forget(who, NOW)
    fill(index)

    assert index.find(["a:ada@weaver.example", "a:aw@acme.example"]) == []
    assert "weaver.example" not in everything(store)
    assert list(index.find(["a:another@ada.example"])) == [NAMESAKE]  # somebody else
    assert known(index, "Bo Stone") is Known.YES


def test_who_is_forgotten_by_name_is_gone_from_every_place(index: PeopleIndex, store: Store) -> None:
    fill(index)

    index.forget("Weaver, Ada", NOW)
    at_once = everything(store)
    fill(index)

    assert "Weaver" not in at_once
    assert "Weaver" not in everything(store)
    assert known(index, "Bo Stone") is Known.YES


def test_forgetting_tells_how_many_records_there_were(index: PeopleIndex) -> None:
    fill(index)

    assert index.forget("ada@weaver.example", NOW) == 4  # in one of them as a name in a title
    assert index.forget("ada@weaver.example", LATER) == 0
    assert index.forget("Nobody Here", LATER) == 0


@pytest.mark.parametrize("who", ["", " ", ".", "-", "@"])
def test_what_names_nobody_forgets_nobody(index: PeopleIndex, store: Store, who: str) -> None:
    fill(index)
    before = everything(store)

    assert index.forget(who, NOW) == 0

    assert everything(store) == before


def test_a_forgotten_person_leaves_no_readable_trace(index: PeopleIndex, store: Store) -> None:
    index.forget("quirin@zollner.example", NOW)

    assert "quirin" not in everything(store)
    assert "zollner" not in everything(store)
