"""Coverage-guided runs of the fuzz targets."""
