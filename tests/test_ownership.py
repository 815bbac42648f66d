"""Files that say what to do, and files we keep: nobody else may write the ones or read the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import load
from gateway.errors import BadConfig, BadTemplate, JournalFailed
from gateway.journal.store import open_file
from gateway.ownership import why_not_keep, why_not_obey
from gateway.state import Lock
from gateway.watches import watch
from tests.test_reply import replies_of, shelve

SOMEBODY_ELSE = 54321

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    file = tmp_path / "ada.toml"
    file.write_text('[me]\nname = "Ada Miller"\naddresses = "ada@example.org"\n')
    return file


def exit_status(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_a_file_that_only_its_owner_may_write_is_obeyed(config: Path, mode: int) -> None:
    config.chmod(mode)

    assert load(config).me.name == "Ada Miller"


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
def test_a_file_that_everybody_may_write_is_not_obeyed(config: Path, mode: int) -> None:
    config.chmod(mode)

    with pytest.raises(BadConfig, match=r"others may change it .* chmod go-w it"):
        load(config)
    assert exit_status("check", config)[0] == 78


@as_root
@pytest.mark.parametrize(
    ("owner", "group", "why"), [(SOMEBODY_ELSE, 0, "belongs to"), (0, SOMEBODY_ELSE, "may change")]
)
def test_a_file_of_somebody_else_or_their_group_is_not_obeyed(config: Path, owner: int, group: int, why: str) -> None:
    config.chmod(0o660)
    os.chown(config, owner, group)

    with pytest.raises(BadConfig, match=why):
        load(config)


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o640, False), (0o600, False)])
def test_a_start_tells_of_a_password_that_others_can_read(
    config: Path, mode: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config.write_text(
        '[me]\naddresses = "ada@example.org"\n'
        '[imap]\nhost = "localhost"\nuser = "ada"\npassword = { file = "ada.password" }\n'
        '[smtp]\nhost = "localhost"\nuser = "ada"\npassword = { file = "ada.password" }\n'
    )
    password = config.with_suffix(".password")
    password.write_text("pass word")
    password.chmod(mode)

    watch(load(config)).end()

    line = f"ada: {password} can be read or changed by others (mode {mode:o}); chmod 600 it"
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [line] * told


def test_a_template_that_everybody_may_write_is_not_used(tmp_path: Path) -> None:
    folder = shelve(tmp_path, "Subject: Mine\n\nNo. {{ contact }}\n")
    (folder / "mine.en.txt").chmod(0o666)

    with pytest.raises(BadTemplate, match=r"mine\.en\.txt: others may change it"):
        replies_of(folder, template="mine").check()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_holds_no_journal(tmp_path: Path, mode: int) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)

    with pytest.raises(JournalFailed, match=r"others may read it .* chmod 700 it"):
        open_file(tmp_path / "state" / "journal.sqlite")
    assert list((tmp_path / "state").iterdir()) == []


@as_root
def test_what_belongs_to_somebody_else_is_not_kept_in(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.chown(tmp_path, SOMEBODY_ELSE, 0)

    assert f"belongs to user {SOMEBODY_ELSE}" in (why_not_keep(tmp_path, is_folder=True) or "")
    assert f"belongs to user {SOMEBODY_ELSE}" in (why_not_obey(tmp_path) or "")


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "lock"])
def test_a_planted_link_ends_the_service_with_78_and_its_target_is_left_alone(config: Path, name: str) -> None:
    folder = config.parent / "state" / "ada"
    folder.mkdir(mode=0o700, parents=True)
    target = config.parent / "target"
    target.write_bytes(b"precious")
    (folder / name).symlink_to(target)

    status, said = exit_status("run", config)

    assert status == 78
    assert f"{folder / name}: " in said
    assert target.read_bytes() == b"precious"


def test_a_state_folder_that_cannot_be_made_ends_the_service_with_78(config: Path) -> None:
    (config.parent / "state").write_text("in the way")

    status, said = exit_status("run", config)

    assert (status, "cannot be used" in said) == (78, True)


@pytest.mark.parametrize("command", ["status", "list", "check"])
def test_a_state_folder_that_is_none_is_told_without_a_traceback(config: Path, command: str) -> None:
    (config.parent / "state").write_text("in the way")

    status, said = exit_status(command, *(["--config"] if command == "list" else []), config)

    assert status in (1, 78)
    assert "Traceback" not in said


def test_a_second_service_for_the_same_owner_ends_at_once(config: Path) -> None:
    first = Lock.take(load(config))

    status, said = exit_status("run", config)

    first.release()
    assert status == 78
    assert "another rsvpd already serves ada" in said
