"""What an inbox is, who a contact proves to be, and how a delivery goes on. No I/O."""
