"""Names that people give to things."""

from __future__ import annotations

from yunsong_common.errors import InvalidArgument, Violation


def checked_name(text: str, field: str = "name") -> str:
    """The name without blanks around it. Raises INVALID_ARGUMENT / INVALID_REQUEST when nothing is left."""
    name = text.replace("\0", "").strip()
    if not name:
        message = f"the {field} must say something"
        raise InvalidArgument(
            reason="INVALID_REQUEST", message=message, violations=[Violation(field, message, "REQUIRED")]
        )
    return name
