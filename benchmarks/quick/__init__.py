"""Every model of the zoo, this tree against another commit's, in minutes. Run `python -m benchmarks.quick`."""
