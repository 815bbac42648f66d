"""The demonstration: the real service against servers of its own on loopback, with sample mails of invented people."""
