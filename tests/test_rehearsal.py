"""Before anybody is served, sample mails are read as they should be, or nobody is."""

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import mail, pipeline
from gateway.cli import main
from gateway.errors import Unfit
from gateway.model import Authentic, Mail, Provenance
from gateway.provenance import Trust
from gateway.rehearsal import rehearse


def test_the_rehearsal_goes_well_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        rehearse()

    assert caplog.records == []


def test_afterwards_the_log_tells_again(caplog: pytest.LogCaptureFixture) -> None:
    rehearse()

    with caplog.at_level(logging.INFO):
        logging.getLogger("gateway").info("served")

    assert caplog.messages == ["served"]


def test_a_library_that_misreads_mail_has_nobody_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> list[tuple[str, str]]:
        return []

    monkeypatch.setattr(mail, "get_addresses", nobody)
    monkeypatch.setattr(mail, "getaddresses", nobody)
    (tmp_path / "ada.toml").touch()

    done = CliRunner().invoke(main, ["run", str(tmp_path)])

    assert done.exit_code == 78
    assert "nobody is served" in done.stderr
    assert "01-2010-form-signed-reply-to: ignore, expected decline" in done.stderr


def test_a_forgery_taken_for_genuine_has_nobody_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(_mail: Mail, _trust: Trust) -> Provenance:
        return Provenance(Authentic.PASS, "because I say so", reply_to_trusted=True)

    monkeypatch.setattr("gateway.owner.authenticate", believe)

    with pytest.raises(Unfit, match="11-forged-failing-signature: decline, expected needs-human"):
        rehearse()


def test_a_fault_while_a_mail_is_read_has_nobody_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def fall(_raw: bytes) -> Mail:
        raise RuntimeError("another version of a library")

    monkeypatch.setattr(pipeline, "parse", fall)

    with pytest.raises(Unfit, match="04-2016-form-a-stranger: unreadable, expected decline"):
        rehearse()
