"""What the service does: one function per command or event. Each command is one transaction."""
