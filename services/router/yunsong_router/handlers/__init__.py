"""What the router does: one function per command, event or timer. Each runs in the transaction it is given."""
