"""Fuzz targets: one module a parser, each with a function `check(data)`."""
