"""Who takes what, and when."""
