"""Webhooks: events out to the business's systems, and raw requests of channels in."""
