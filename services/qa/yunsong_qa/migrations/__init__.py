"""Alembic revisions of the schema `qa`."""
