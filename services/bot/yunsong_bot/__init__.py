"""The bot: answers contacts from the knowledge base, hands over to people, assists agents."""
