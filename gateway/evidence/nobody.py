"""Addresses behind which no acquaintance stands: machines, lists, offices and the owner."""

from __future__ import annotations

import re

from gateway.config import Me
from gateway.names import Name, read
from gateway.names.spelling import latin
from gateway.people.keys import address_key

_MACHINES = re.compile(
    r"(?:.*[-_.+])?(?:no|do[-_.]?not|not|non|nicht|nepas|ne[-_.]pas)[-_.]?(?:reply|respond|answer|antworten|repondre|responder)"
    r"(?:[-_.+].*)?"
    r"|mailer[-_.]?daemon|bounces?(?:[-_.+=].*)?|.*[-_.]bounces?|notif(?:y|ications?)(?:[-_.+].*)?|.*[-_.]notifications?"
    r"|auto(?:mat(?:ed|ic|isch))?[-_.]?(?:reply|response|confirm|mailer)?|prvs=.*|srs[01]=.*|msprvs1?=.*"
    r"|(?:reply|unsubscribe)[-_.+=].*|listserv|majordomo|mailman"
    r"|.*[-_](?:request|owner|unsubscribe|subscribe|confirm|leave|join|digest)|owner[-_].*|[0-9a-f]{24,}"
)
_LISTS = re.compile(
    r"(?:lists?|listserv|mailman|ml)\.|(?:groups\.io|googlegroups\.com|yahoogroups\.com|freelists\.org)$"
)
_OFFICES = frozenset(
    """
    info information infos office offices contact contacts kontakt contacto contato contatti contactus mail email post
    postmaster hostmaster webmaster abuse noc security root admin administrator administration sysadmin it edv
    support help helpdesk hilfe service services servicedesk customerservice kundenservice kundendienst care
    team hello hallo hola bonjour ciao hi hey welcome
    sales vertrieb verkauf ventas ventes vendite billing invoice invoices invoicing rechnung rechnungen facturation
    buchhaltung accounting accounts accountspayable payments payroll finance orders order bestellung bestellungen shop
    store booking bookings buchung reservations reservation reservierung tickets ticket
    hr jobs job career careers karriere recruiting recruitment bewerbung bewerbungen personal personnel rrhh
    press presse media marketing pr communications kommunikation news newsletter newsletters newsflash updates alerts
    alert digest events event veranstaltungen registration registrations anmeldung inscription
    secretary secretariat sekretariat secretaria secretariado segreteria reception empfang rezeption frontdesk
    geschaeftsstelle verwaltung dekanat rektorat vorstand board committee commission
    chair chairs pcchair pc-chair pc-chairs programme program organizers organisers organizer organiser orga conference
    local editor editors editorial redaktion redaction redazione library bibliothek bibliotheque
    legal privacy datenschutz dpo gdpr compliance feedback survey umfrage list lists all everyone staff mitarbeiter
    students studenten members mitglieder alumni group group-all calendar kalender
    """.split()  # noqa: SIM905 - a table
)
# Networks and tools that put a person's name in front of an address of their own.
_RELAYS = re.compile(
    r"(?:^|\.)(?:linkedin|facebookmail|facebook|xing|twitter|instagram|github|gitlab|slack|trello|atlassian|mastodon"
    r"|strava|meetup|eventbrite|researchgate|academia-mail|academia|notion|asana|zoom|doodle|dropbox|docusign)"
    r"\.(?:com|net|org|social|us|io|so)$"
)


class Mine:
    """What is the owner's own."""

    def __init__(self, me: Me) -> None:
        every = (*me.addresses, *((me.contact,) if me.contact else ()))
        self._addresses = frozenset(address_key(address) for address in every)
        self.names = frozenset(filter(lambda name: name.words, map(read, (me.name, *me.aliases))))

    def address(self, address: str) -> bool:
        return address_key(address) in self._addresses

    def name(self, name: Name) -> bool:
        return name in self.names


def is_office(address: str, name: str | None = None) -> bool:
    """Whether an address is a machine's, a list's, a network's or a function's rather than a person's."""
    local, _, domain = address.lower().rpartition("@")
    if not local or not domain or local.endswith("-l") or _MACHINES.fullmatch(local) or _LISTS.search(domain):
        return True
    if local.partition("+")[0].strip("-_.") in _OFFICES:
        # Anna Weber writes from mail@anna-weber.example.
        return not _has_family_name(name, domain)
    # People work at networks, too: Anna Weber is aweber@xing.com, the network speaks for her as mailrobot@.
    return bool(_RELAYS.search(domain)) and not _has_family_name(name, local)


def _has_family_name(name: str | None, text: str) -> bool:
    # The last word alone: a firm's own name comes first ("Acme Sales"), and it is in the firm's domain.
    parts = read(name or "").parts
    return len(parts) > 1 and len(parts[-1]) > 2 and latin(parts[-1]) in text
