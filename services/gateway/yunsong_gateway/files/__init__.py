"""Files that contacts and staff exchange."""
