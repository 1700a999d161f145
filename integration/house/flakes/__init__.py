"""The flake gate: test modules that changed run many times beside themselves, in random order, and must always pass."""
