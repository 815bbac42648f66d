"""Every exception rsvpd raises on purpose; each tells its catcher what to do."""

from __future__ import annotations


class RsvpdError(Exception):
    """Base of all; its text is fit for the owner's eyes."""


class Unreadable(RsvpdError):
    """This mail cannot be judged: malformed, over a cap, or a known network's unknown layout. Keep it, show it."""

    def __init__(self, why: str, *, network: str | None = None) -> None:
        super().__init__(why)
        self.network = network


class Ambiguous(RsvpdError):
    """Two networks claim the same mail: a fault of ours that no answer may rest on."""


class BadConfig(RsvpdError):
    """The configuration cannot be used; carries every fault of the file at once."""

    def __init__(self, path: str, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(f"{path}: {fault}" for fault in faults))
        self.path = path
        self.faults = faults


class NotWritten(RsvpdError):
    """The first file of an owner, or what the demo leaves, was not written; nothing that was there has changed."""


class BadTemplate(RsvpdError):
    """A reply template that cannot be rendered or may not be sent; `reply` is what a policy calls it, where known."""

    def __init__(self, why: str, *, reply: str | None = None) -> None:
        super().__init__(why)
        self.reply = reply


class BadSource(RsvpdError):
    """An evidence source that cannot be read now; what is known of it stays as it was."""


class JournalFailed(RsvpdError):
    """The journal cannot be opened or written: nothing may be acknowledged or sent."""


class LeaseLost(JournalFailed):
    """Another process may look after this owner by now: stop, send nothing and write nothing more."""


class MailboxFailed(RsvpdError):
    """The IMAP server did not do what was asked. `permanent`: no use trying again before somebody acts.

    `unreached`: there was no server to ask, so that it is away for everybody who has a mailbox there.
    """

    def __init__(self, why: str, *, permanent: bool = False, unreached: bool = False) -> None:
        super().__init__(why)
        self.permanent = permanent
        self.unreached = unreached


class SendFailed(RsvpdError):
    """The SMTP server did not take the mail, and it is certain that it did not.

    `permanent`: it will never take it. `setup`: nothing can be sent at all until the owner acts
    (login refused, certificate wrong), the mail itself is not at fault.
    """

    def __init__(self, why: str, *, permanent: bool = False, setup: bool = False) -> None:
        super().__init__(why)
        self.permanent = permanent
        self.setup = setup

    @property
    def of_this_mail(self) -> bool:
        """Whether this mail will never be taken, though others may be."""
        return self.permanent and not self.setup


class SendUncertain(RsvpdError):
    """The final dot may have reached the server and no answer came back: never send this again unasked."""


class DnsAway(RsvpdError):
    """A name server did not answer: try again later, decide nothing."""


class BadLetter(RsvpdError):
    """An answer that, read back, is not exactly what was decided: park it, never send it."""


class Unfit(RsvpdError):
    """What is installed does not read mails as it should: serve nobody."""


class BadPolicy(RsvpdError):
    """A policy that cannot be decided by."""


class SignInFailed(RsvpdError):
    """The owner was not let in at Google or Microsoft: begin again, or mend what it says."""


class GrantEnded(RsvpdError):
    """The provider takes the refresh token no more: stop asking, the owner must sign in again."""


class ListenFailed(RsvpdError):
    """No mail can be handed over at the address in the file: it is taken, or not to be had."""
