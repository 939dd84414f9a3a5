"""The only package that sends requests to GitHub."""
