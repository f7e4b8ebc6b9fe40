"""The commands: inboxes, deliveries, what comes in."""
