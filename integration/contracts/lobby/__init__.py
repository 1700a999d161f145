"""lobby: its operations, its commands behind the gateway, and how it is run."""
