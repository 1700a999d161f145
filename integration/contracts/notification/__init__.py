"""notification: its operations, its intents, and how it is run."""
