"""The revisions of the bot's schema."""
