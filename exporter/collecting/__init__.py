"""One tick: plan, ask, count, keep."""
