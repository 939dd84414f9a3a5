"""The only door out: everything that speaks to GitHub."""
