"""Every run below integration/ answers for the contracts that its suites hold (contracts/coverage.py)."""

from contracts.coverage import pytest_configure

__all__ = ["pytest_configure"]
