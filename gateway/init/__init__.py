"""`rsvpd init`: finds the servers of a mail address, tries the login, and writes the first file of an owner."""
