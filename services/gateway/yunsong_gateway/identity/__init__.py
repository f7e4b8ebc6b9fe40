"""Who may come in: staff, API keys and contacts, and what they may do."""
