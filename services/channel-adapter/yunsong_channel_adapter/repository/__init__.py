"""The channel adapter's statements. Each function takes a transaction, or a connection for reading."""
