"""From sources to installed binaries, once per content."""
