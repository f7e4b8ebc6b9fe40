"""Fixtures that every suite may use; the parts they start live in tests/support."""
