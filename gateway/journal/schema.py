"""The journal's tables, the same on SQLite and PostgreSQL (SQLAlchemy Core)."""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData()
