"""Which documented outcomes a run exercised: operation x status (x error code), over all of its workers.

A pytest plugin. A boundary suite says in its conftest which contracts it holds:

    def pytest_configure(config):
        coverage.hold(config, coverage.Boundary("gateway_authsession", Path(__file__).parent, cells, exempt))

Contract clients call `exercised(cell)`. At the end the plugin prints what no test of the suite exercised, and keeps a record
and a page of it in `reports/<tier>/`. When the whole suite ran and passed, a hole is red: exit status 1. With pytest-xdist
the workers hand their cells to the controller, which judges. The controller imports no conftest below its arguments:
integration/conftest.py is where it finds the plugin. `python -m contracts.coverage` makes one page of several tiers.
"""

from contracts.coverage.boundary import Boundary, cells_of, exemptions
from contracts.coverage.cell import Cell, exercised
from contracts.coverage.plugin import hold, pytest_configure

__all__ = ("Boundary", "Cell", "cells_of", "exemptions", "exercised", "hold", "pytest_configure")
