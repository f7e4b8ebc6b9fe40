"""Alembic revisions of the schema `conversation`."""
