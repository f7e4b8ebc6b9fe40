"""All six services as one product, and the `yunsong` command."""
