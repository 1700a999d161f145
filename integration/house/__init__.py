"""Upkeep of this repository: its environments, locks, rooms and rules, and the tests that hold them.

The modules without `_test` need the standard library alone: `noxfile.py` runs them before any environment exists.
"""
