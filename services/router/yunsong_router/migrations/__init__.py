"""Alembic's revisions of the router's schema."""
