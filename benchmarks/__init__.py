"""Measurements of loglik side by side with the libraries that do the same. Run `python -m benchmarks`."""
