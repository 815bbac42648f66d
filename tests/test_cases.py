from gateway.cases import Cases
from gateway.model import Kind, Notification, Person


def notification(
    name: str = "Ada Miller", *, slug: str | None = "ada", invitation: str | None = None, kind: Kind = Kind.INVITATION
) -> Notification:
    url = f"https://www.linkedin.com/in/{slug}" if slug else None
    return Notification("linkedin", kind, Person(name=name, profile_url=url), invitation=invitation)


def names(*notifications: Notification) -> list[str]:
    cases, found = Cases(), []
    for each in notifications:
        found.append(cases.name(each))
        cases.remember(each, declined=True)
    return found


def test_a_reminder_with_the_invitations_id_is_the_same_case() -> None:
    first, reminder = names(notification(invitation="1"), notification(invitation="1", kind=Kind.REMINDER))

    assert first == reminder


def test_a_reminder_without_an_id_is_the_same_case_by_its_person() -> None:
    first, reminder = names(notification(invitation="1"), notification(kind=Kind.REMINDER))

    assert first == reminder


def test_a_reminder_may_come_before_its_invitation() -> None:
    reminder, first = names(notification(kind=Kind.REMINDER), notification(invitation="1"))

    assert first == reminder


def test_a_second_invitation_of_the_same_person_is_another_case() -> None:
    first, second = names(notification(invitation="1"), notification(invitation="2"))

    assert first != second


def test_a_reminder_of_the_second_invitation_belongs_to_the_second() -> None:
    _, second, reminder = names(
        notification(invitation="1"), notification(invitation="2"), notification(kind=Kind.REMINDER)
    )

    assert reminder == second


def test_a_second_inviter_is_not_the_first() -> None:
    first, second = names(notification("Ada Miller", slug="ada"), notification("Ada Miller", slug="ada-2"))

    assert first != second


def test_a_name_alone_ties_a_reminder_to_its_invitation() -> None:
    first, reminder = names(notification(slug=None, invitation="1"), notification(slug=None, kind=Kind.REMINDER))

    assert first == reminder


def test_a_case_is_called_the_same_whatever_else_was_read() -> None:
    alone = names(notification(invitation="1"))
    after_others = names(notification("Bob", slug="bob"), notification(invitation="1"))

    assert alone[0] == after_others[1]


def test_earlier_counts_other_declined_invitations_of_the_person() -> None:
    cases = Cases()
    first, second = notification(invitation="1"), notification(invitation="2")
    cases.remember(first, declined=True)

    assert cases.earlier(second) == 1
    assert cases.earlier(first) == 0
    assert cases.earlier(notification("Bob", slug="bob", invitation="3")) == 0
