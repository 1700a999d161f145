"""A stand-in for the external mail service."""
