"""What a configuration says of a test owner's accounts, and the files with their passwords."""

from __future__ import annotations

from pathlib import Path

from tests.certificates import HOST
from tests.servers import Dovecot
from tests.submission import Login, SmtpServer


def accounts(folder: Path, dovecot: Dovecot, login: Login, smtp: SmtpServer) -> str:
    """The sections [imap] and [smtp] of a file in this folder, which gets the passwords beside it."""
    for name, password in (("imap-password", login.password), ("smtp-password", smtp.login.password)):
        (folder / name).write_text(password)
        (folder / name).chmod(0o600)
    return f"""\
[imap]
host = "{HOST}"
port = {dovecot.imaps_port}
user = "{login.user}"
password = {{ file = "imap-password" }}
ca_file = "{dovecot.certificate.chain}"
[smtp]
host = "{HOST}"
port = {smtp.port}
user = "{smtp.login.user}"
password = {{ file = "smtp-password" }}
ca_file = "{smtp.certificate.chain}"
"""
