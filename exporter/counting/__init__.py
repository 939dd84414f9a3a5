"""Exact counters from windowed answers. Pure."""
