"""What several suites share: real servers, and the product as real processes."""
