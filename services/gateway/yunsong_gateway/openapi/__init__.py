"""The API's own documentation, built from the learned contracts."""
