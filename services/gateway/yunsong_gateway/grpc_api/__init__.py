"""The gateway's own operations: contract to handler, no rules."""
