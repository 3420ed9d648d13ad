"""The outside world: catalogs, rasters, the cube, parts and tables."""
