"""Built-in roles as sets of the permissions that the contract names, and how a user's roles become permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

AGENT = frozenset(
    (
        "agent.read",
        "contact.read",
        "contact.write",
        "conversation.read",
        "conversation.write",
        "inbox.read",
        "knowledge.read",
        "label.read",
        "presence.write",
        "queue.read",
    )
)
SUPERVISOR = AGENT | {
    "agent.supervise",
    "alert.read",
    "alert.write",
    "board.read",
    "contact.block",
    "conversation.read_all",
    "conversation.supervise",
    "delivery.read",
    "inspection.read",
    "quick_reply.write",
    "report.read",
    "saved_view.write",
    "user.read",
}
INSPECTOR = frozenset(
    (
        "alert.read",
        "alert.write",
        "contact.read",
        "conversation.read",
        "conversation.read_all",
        "inspection.read",
        "inspection.write",
        "label.read",
        "queue.read",
        "report.read",
        "scorecard.write",
        "user.read",
    )
)
ADMIN = "admin"
BUILT_IN: dict[str, tuple[str, frozenset[str]]] = {
    "agent": ("Answers contacts.", AGENT),
    "supervisor": ("Leads agents: sees every conversation, takes over, whispers.", SUPERVISOR),
    "inspector": ("Judges the quality of closed conversations.", INSPECTOR),
    ADMIN: ("May do everything.", frozenset()),
}
# Permissions that handlers ask for beside the one an operation names.
IMPLIED = frozenset(("conversation.read_all", "quick_reply.write", "saved_view.write"))


class Permissions:
    """Every permission there is: those the learned contracts name; the admin holds them all."""

    def __init__(self, named: Callable[[], Mapping[str, Iterable[str]]]) -> None:
        self._named = named  # permission -> the operations that it opens

    def operations(self) -> dict[str, list[str]]:
        found = {name: sorted(operations) for name, operations in self._named().items()}
        for name in (*AGENT, *SUPERVISOR, *INSPECTOR, *IMPLIED):
            found.setdefault(name, [])
        return dict(sorted(found.items()))

    def of_roles(self, roles: Iterable[str], own: Mapping[str, Iterable[str]]) -> frozenset[str]:
        """The union of what the roles hold; a role that no longer exists holds nothing."""
        held: set[str] = set()
        for role in roles:
            if role == ADMIN:
                held.update(self.operations())
            elif role in BUILT_IN:
                held.update(BUILT_IN[role][1])
            else:
                held.update(own.get(role, ()))
        return frozenset(held)
