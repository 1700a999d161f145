"""Clients and stubs that hold every exchange of a test to the services' published contracts."""
