"""Alembic revisions of the channel adapter's schema."""
