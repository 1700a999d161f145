"""What stands between and around the services: fault proxies, and stubs of external systems."""
