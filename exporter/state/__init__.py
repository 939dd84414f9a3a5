"""The state: what survives a restart."""
