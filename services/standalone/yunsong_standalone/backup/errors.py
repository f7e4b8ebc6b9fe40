"""Why a backup or a restore does not happen; the message says what to do."""

from __future__ import annotations


class BackupError(Exception):
    """Printed as it is, for whoever runs the command."""


class Damaged(BackupError):
    """A part of a backup is not what was written."""
