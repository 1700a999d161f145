"""rtmanager: its operations, and how it is run."""
