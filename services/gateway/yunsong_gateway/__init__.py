"""The gateway: the product's only public door."""
