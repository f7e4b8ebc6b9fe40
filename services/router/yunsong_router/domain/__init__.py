"""Who takes what, and when: pure rules, no input or output."""
