"""Runs game engines: the only service that touches the container engine."""
