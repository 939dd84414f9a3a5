"""A simulated GitHub with a seed and a known truth, for `demo`, `simulate` and the tests."""
