"""Pixel arithmetic, written once for NumPy and CuPy."""
