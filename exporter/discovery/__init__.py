"""Targets that GitHub names: what a listing means (pure), and when GitHub is asked for one."""
