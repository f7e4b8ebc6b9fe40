"""Live supervision, quality inspection and reports."""
