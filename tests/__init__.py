"""The product's tests: unit, integration, e2e, chart, load."""
