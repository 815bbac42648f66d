"""The weekly summary: what the journal holds of a week, as a mail that the owner reads on any screen.

gather() asks the journal, compose() decides what is said, text and page only show it.
"""

from gateway.digest.contents import Contents, compose
from gateway.digest.facts import Facts, gather
from gateway.digest.message import Summary, as_mail, summarise
from gateway.digest.texts import texts_to_decline
from gateway.digest.weeks import Rhythm, Week

__all__ = [
    "Contents",
    "Facts",
    "Rhythm",
    "Summary",
    "Week",
    "as_mail",
    "compose",
    "gather",
    "summarise",
    "texts_to_decline",
]
