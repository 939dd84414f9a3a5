"""Exact counters out of windowed answers. Pure."""
