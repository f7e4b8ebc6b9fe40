"""What a plugin author imports: channels, bot skills, routing strategies, inspection rules."""
