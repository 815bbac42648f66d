import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.names import fold, read
from gateway.names.nicknames import may_be
from gateway.names.spelling import unmask
from gateway.names.text import Named, people_in
from gateway.names.variants import asked_keys, kept_keys, variant

NAMES = st.text(st.characters(codec="utf-8"), max_size=40)


@given(NAMES)
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text)

    assert fold(once) == once


@given(NAMES)
def test_any_text_can_be_read_as_a_name(text: str) -> None:
    name = read(text)

    assert " ".join(name.words) == name.exact


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoë Ångström", "ZOE ANGSTROM"),
        ("Jørn Bjørnsen", "Jorn Bjornsen"),
        ("Klaus Großmann", "KLAUS GROSSMANN"),
        ("Łucja Wróbel", "Lucja Wrobel"),
        ("Işıl Yıldız", "Isil Yildiz"),
        ("Đorđe Milić", "Dorde Milic"),
        ("Sean O’Hara", "Sean O'Hara"),
        ("Ana‐Maria Pop", "Ana-Maria Pop"),
        ("Ada  \u200bMiller\u202e", "Ada Miller"),
        ("Фёдор Зайцев", "Федор Зайцев"),
        ("Miller, Ada", "Ada Miller"),
        ("Miller, Ada (EXT)", "Ada Miller"),
        ("Prof. Dr. Ada Miller", "Ada Miller"),
        ("Ada Miller, PhD", "Ada Miller"),
        ("Ada Miller MBA", "Ada Miller"),
        ("Ada Miller 🚀", "Ada Miller"),
        ("Ada Miller | Acme Tools", "Ada Miller"),
        ('"Miller, Ada"', "ada miller"),
        ("Ａｄａ Miller", "Ada Miller"),
    ],
)
def test_two_ways_of_writing_a_name_are_one_name(one: str, other: str) -> None:
    assert read(one.strip('"')) == read(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada Miller", "Ida Miller"),
        ("Jack Ma", "Jack"),
        ("Don Weaver", "Weaver"),
        ("Jürgen Krämer", "Juergen Kraemer"),  # a transliteration: more than an accent left out
        ("Ana Maria Pop", "Ana-Maria Pop"),
        ("Ada Miller", "Miller Ada"),
    ],
)
def test_these_are_two_names(one: str, other: str) -> None:
    assert read(one) != read(other)


@pytest.mark.parametrize(
    ("name", "full"), [("Ada Miller", True), ("Ada", False), ("A. M.", False), ("王小明", True), ("", False)]
)
def test_a_full_name_says_more_than_a_given_name(name: str, full: bool) -> None:
    assert read(name).full is full


VARIANTS = [
    ("Bill Turner", "William Turner", "a nickname"),
    ("Billy Turner", "Will Turner", "a nickname"),
    ("Uschi Lohmann", "Ursula Lohmann", "a nickname"),
    ("Pepe Olmedo", "José Olmedo", "a nickname"),
    ("Zosia Wilk", "Zofia Wilk", "a nickname"),
    ("Sasha Lebedev", "Aleksandr Lebedev", "a nickname"),
    ("Саша Лебедев", "Aleksandr Lebedev", "a transliteration and a nickname"),
    ("A. Miller", "Ada Miller", "an initial"),
    ("Ada M.", "Ada Miller", "an initial"),
    ("Ada Miller", "Ada B. Miller", "a middle initial"),
    ("Ada Miller", "Ada Beth Miller", "a longer form"),
    ("Miller Ada", "Ada Miller", "a swapped order"),
    ("Ada Miller-Stone", "Ada Miller", "a double name"),
    ("Otto Bergen", "Otto von Bergen", "a particle"),
    ("Piet Vanderberg", "Piet van der Berg", "another spelling"),
    ("Jean Marc Petit", "Jean-Marc Petit", "another spelling"),
    ("Juergen Kraemer", "Jürgen Krämer", "another spelling"),
    ("Stephan Meyer", "Stefan Meier", "another spelling"),
    ("Yuri Zhukov", "Юрий Жуков", "a transliteration"),
    ("Juri Schukow", "Yuriy Zhukov", "another spelling"),
    ("Eleni Karagianni", "Ελένη Καραγιάννη", "a transliteration"),
    ("Xiaoming Wang", "王小明", "a transliteration"),
    ("Wang Xiaoming", "王小明", "a transliteration"),
    ("Khaled Mansour", "خالد منصور", "a transliteration"),
    ("Minh Tran", "Trần Thị Ngọc Minh", "a longer form and a swapped order"),
]


@pytest.mark.parametrize(("one", "other", "why"), VARIANTS)
def test_a_variant_is_explained_from_both_sides(one: str, other: str, why: str) -> None:
    assert variant(read(one), read(other)) == why
    assert variant(read(other), read(one)) == why


@pytest.mark.parametrize(("one", "other"), [(one, other) for one, other, _ in VARIANTS])
def test_a_variant_is_found_by_its_keys_from_both_sides(one: str, other: str) -> None:
    assert set(asked_keys(read(one))) & set(kept_keys(read(other)))
    assert set(asked_keys(read(other))) & set(kept_keys(read(one)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada Miller", "Beth Miller"),
        ("Ada Miller", "Ada Stone"),
        ("A. Miller", "B. Miller"),
        ("Bill Turner", "Robert Turner"),
        ("Ada Miller", "Ada"),
        ("Xiaoming Wang", "王小红"),
        ("Khaled Mansour", "خالد حداد"),
    ],
)
def test_different_people_are_no_variants(one: str, other: str) -> None:
    assert variant(read(one), read(other)) is None


@given(NAMES, NAMES)
def test_a_variant_is_one_whichever_name_comes_first(one: str, other: str) -> None:
    assert variant(read(one), read(other)) == variant(read(other), read(one))


@pytest.mark.parametrize(
    ("name", "posing"),
    [
        ("Аda Miller", "Ada Miller"),  # Cyrillic A
        ("Ada Мiller", "Ada Miller"),  # Cyrillic M
        ("Аndrew Сооре", "Andrew Coope"),
        ("Сара Stone", "Capa Stone"),
        ("Ada Miller", None),
        ("Анна Сорока", None),
        ("Wang 小明", None),
        ("Ольга Сорока (Olga Soroka)", None),
    ],
)
def test_letters_of_another_script_among_latin_ones_are_seen_through(name: str, posing: str | None) -> None:
    assert unmask(name) == posing


def test_the_word_lists_are_folded() -> None:
    folder = files("gateway.names")
    lists = tomllib.loads((folder / "words.toml").read_text("utf-8"))
    nicknames = tomllib.loads((folder / "nicknames.toml").read_text("utf-8"))
    words = {word for text in lists.values() for word in text.split()}
    names = {
        word
        for language in nicknames.values()
        for formal, short in language.items()
        for word in (formal, *short.split())
    }

    assert {word for word in words if word != word.lower() or not word.isascii()} == set()
    assert {name for name in names if fold(name) != name} == set()


def test_nicknames_of_different_names_are_not_each_other() -> None:
    assert may_be("peggy", "margaret")
    assert not may_be("peggy", "elizabeth")


@pytest.mark.parametrize(
    ("text", "listed", "mentioned"),
    [
        ("with Ada Miller and Otto von Bergen; bring cake", {"Ada Miller", "Otto von Bergen"}, set()),
        ("Participants: Ada Miller (Acme), Bo Stone. Lunch at one.", {"Ada Miller", "Bo Stone"}, set()),
        ("Team:\n - Ada Miller\n - Bo Stone\nBring a pen", {"Ada Miller", "Bo Stone"}, set()),
        ("Call w/ Ada Miller", {"Ada Miller"}, set()),
        ("Mira <> Ada Miller", {"Ada Miller"}, set()),
        ("Mittagessen mit Jürgen Krämer", {"Jürgen Krämer"}, set()),
        ("Lunch with Ada Miller at noon", {"Ada Miller"}, set()),
        ("We read the new paper of Ada Miller", set(), {"Ada Miller"}),
        ("Apologies: Ada Miller, Bo Stone", set(), {"Ada Miller", "Bo Stone"}),
        ("Apologies:\nAda Miller\n\nPresent:\nBo Stone", {"Bo Stone"}, {"Ada Miller"}),
        ("Programme: Ada Miller", set(), {"Ada Miller"}),
        ("Talk by 王小明", set(), {"王小明"}),
        ("Room 4, second floor. https://example.org/x", set(), set()),
    ],
)
def test_names_are_found_in_the_text_of_an_event(text: str, listed: set[str], mentioned: set[str]) -> None:
    found = list(people_in(text))

    assert {named.name for named in found if named.listed} == listed
    assert {named.name for named in found if not named.listed} == mentioned


def test_brackets_behind_a_name_give_an_employer_but_not_a_part() -> None:
    found = list(people_in("Ada Miller (Acme Tools), Bo Stone (chair), Cy Weaver (Alto), Di Webb (room 3)"))

    assert found == [
        Named("Ada Miller", "Acme Tools", listed=True),
        Named("Bo Stone", listed=True),
        Named("Cy Weaver", listed=True),
        Named("Di Webb", listed=True),
    ]
