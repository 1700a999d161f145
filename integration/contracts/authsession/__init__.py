"""A client of the session service."""
