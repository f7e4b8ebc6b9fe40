"""The record of truth: contacts, conversations and messages."""
