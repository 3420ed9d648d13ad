"""Sun, shadow and hull: formulas that run with NumPy and SciPy alone."""
