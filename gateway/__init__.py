"""rsvpd answers connection invitations by mail, the way its owner would. Read pipeline.py first."""
