"""Backup and restore of one copy: database, files, keys; see docs/guides/backup.md."""

from yunsong_standalone.backup.restore import RestoreOptions, restore_command
from yunsong_standalone.backup.take import BackupOptions, backup_command

__all__ = ["BackupOptions", "RestoreOptions", "backup_command", "restore_command"]
