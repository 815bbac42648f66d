"""SIGHUP: what is in order is taken, what is not leaves things as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.model import Verdict
from gateway.pipeline import FAULTY
from gateway.roster import Roster
from gateway.service import Service
from gateway.state import open_journal
from gateway.watches import prepare
from tests.notifications import linkedin
from tests.test_story import Owner, owner, settled, wait_for

__all__ = ["owner"]  # the fixture

pytestmark = pytest.mark.parametrize("owner", ["sqlite"], indirect=True)


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    """What `rsvpd run FOLDER` does, in a thread."""
    roster = Roster([folder])
    service = Service(list(prepare(roster.read()[0], {}).watches.values()), roster)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        wait_for(lambda: service.listens, "the first round")
        yield service
    finally:
        service.stop()
        thread.join(30)
        assert not thread.is_alive()


def names(service: Service) -> set[str]:
    return {watch.name for watch in service.watches}


def also(owner: Owner, name: str) -> Path:
    """A file of another owner, with a mailbox of their own."""
    login = owner.dovecot.user()
    (owner.folder / f"{name}-password").write_text(login.password)
    text = (owner.folder / "ada.toml").read_text()
    text = text.replace(f'"{owner.login.user}"', f'"{login.user}"').replace('"imap-password"', f'"{name}-password"')
    file = owner.folder / f"{name}.toml"
    file.write_text(text)
    return file


def test_a_changed_file_is_gone_by_on_the_same_connection(owner: Owner) -> None:
    config = owner.config(mode="draft")
    with serving(owner.folder) as service:
        before = service.watches[0].round.session
        owner.config(mode="draft", more='[policy]\npreset = "open-door"\n')

        service.reload()
        wait_for(lambda: service.watches[0].round.config.policy.preset == "open-door", "the reload")
        owner.deliver(linkedin("Nina Newcomer"))
        wait_for(settled(config, 1), "the judgement")

        assert service.watches[0].round.session is before
    (case,) = open_journal(config).cases()
    assert case.verdict is Verdict.ACCEPT


BROKEN = {
    "no TOML": "[me\n",
    "an unknown key": "[me]\nnmae = 1\n",
    "no mailbox": '[me]\nname = "Ada Miller"\naddresses = ["ada@example.org"]\n',
    "a reply that is not there": '[[rule]]\nname = "x"\nwhen = { known = "no" }\nverdict = "decline"\nreply = "no"\n',
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_leaves_the_old_one_in_force_and_the_owner_is_told(owner: Owner, fault: str) -> None:
    config = owner.config(mode="draft")
    good = (owner.folder / "ada.toml").read_text()
    with serving(owner.folder) as service:
        (owner.folder / "ada.toml").write_text(good + BROKEN[fault] if "reply" in fault else BROKEN[fault])

        service.reload()
        wait_for(lambda: "ada" in service.faults, "the refusal")
        owner.deliver(linkedin("Nina Newcomer"))
        wait_for(settled(config, 1), "the judgement")

        assert "changed file not taken: ada" in service.status
        assert open_journal(config).fact(FAULTY) == str(service.faults["ada"])

        (owner.folder / "ada.toml").write_text(good)
        service.reload()
        wait_for(lambda: not service.faults, "the second reload")
        assert service.status == "1 owner served"
        assert open_journal(config).fact(FAULTY) is None


def test_one_broken_file_keeps_no_other_from_being_served_or_read_again(owner: Owner) -> None:
    owner.config()
    bob, carl = also(owner, "bob"), also(owner, "carl")
    good = bob.read_text()
    bob.write_text("[me\n")
    with serving(owner.folder) as service:
        assert names(service) == {"ada", "carl"}

        carl.write_text("[me\n")
        bob.write_text(good)
        service.reload()
        wait_for(lambda: names(service) == {"ada", "bob", "carl"}, "bob")
        wait_for(lambda: service.listens, "the first round of bob")

        assert set(service.faults) == {"carl"}


def test_an_owner_whose_file_is_gone_is_served_no_more_and_may_come_back(owner: Owner) -> None:
    owner.config()
    bob = also(owner, "bob")
    text = bob.read_text()
    with serving(owner.folder) as service:
        assert names(service) == {"ada", "bob"}

        bob.unlink()
        service.reload()
        wait_for(lambda: names(service) == {"ada"}, "the parting")
        bob.write_text(text)
        service.reload()
        wait_for(lambda: names(service) == {"ada", "bob"} and service.listens, "the return")

        assert service.faults == {}


def test_a_folder_without_files_changes_nothing(owner: Owner, caplog: pytest.LogCaptureFixture) -> None:
    owner.config()
    with serving(owner.folder) as service:
        (owner.folder / "ada.toml").rename(owner.folder / "ada.bak")

        service.reload()
        wait_for(lambda: "not reloaded" in caplog.text, "the refusal")

        assert names(service) == {"ada"}
        assert service.faults == {}


def test_an_account_that_changed_is_connected_to_anew(owner: Owner) -> None:
    owner.config(mode="draft")
    with serving(owner.folder) as service:
        before = service.watches[0].round.session
        other = also(owner, "bob")
        other.replace(owner.folder / "ada.toml")

        service.reload()
        wait_for(lambda: service.watches[0].round.session not in (before, None) and service.listens, "a new session")

        assert service.faults == {}
