"""Events that commit with the fact they tell, and the change log they make."""

from yunsong_common.outbox.rows import OutboxRow, outbox_table
from yunsong_common.outbox.store import Change, read_changes

__all__ = ["Change", "OutboxRow", "outbox_table", "read_changes"]
