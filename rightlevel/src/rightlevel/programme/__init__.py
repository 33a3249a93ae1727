"""The domain: one folder a noun, in the order in which they depend on each other."""
