"""What quality assurance knows: facts and the figures they make, rules, scores. No input or output."""
