"""SQL, by what it is about. Every function runs in the transaction it is given."""
