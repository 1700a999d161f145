"""A container engine for tests: what it runs for them, and that nothing of it is left."""
