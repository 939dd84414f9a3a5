"""From snapshots to bytes to a scrape."""
