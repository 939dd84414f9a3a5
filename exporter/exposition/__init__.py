"""Snapshots of jobs, rendered to text when they change, and joined into the body of a scrape."""
