"""From due jobs to published snapshots: select, ask GitHub, count, save, render."""
