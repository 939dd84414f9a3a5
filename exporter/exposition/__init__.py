"""From numbers to ready bytes."""
