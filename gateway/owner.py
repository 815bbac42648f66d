"""An owner's settings made ready: the policy compiled, the phrasebooks and templates loaded, the records opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.config import Config
from gateway.errors import BadSource
from gateway.evidence import gather
from gateway.journal.entries import Limits
from gateway.model import Acquaintance, Dossier, Mail, Mailbox, Note, Person, Provenance
from gateway.people import Index, MemoryIndex, look_up
from gateway.pipeline import Owner
