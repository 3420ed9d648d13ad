"""What to do, and on which workers."""
