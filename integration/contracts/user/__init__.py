"""A stand-in for the external user service."""
