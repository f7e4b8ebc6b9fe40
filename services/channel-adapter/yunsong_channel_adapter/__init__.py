"""External formats to normalised messages and back."""
