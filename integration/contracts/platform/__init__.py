"""The game platform, or the part of it that a suite is about: booted together, spoken to over its published contracts."""
