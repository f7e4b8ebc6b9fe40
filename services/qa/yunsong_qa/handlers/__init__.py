"""What happens at an event, a command or a time."""
