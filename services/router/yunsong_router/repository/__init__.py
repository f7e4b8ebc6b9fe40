"""The router's statements, by what they are about. Each takes the transaction it runs in."""
