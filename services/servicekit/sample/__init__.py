"""A tiny service that app_test.py runs as a real process. It is no part of the package."""
