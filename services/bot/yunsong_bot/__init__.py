"""Answers contacts, hands off, assists agents."""
