"""Runs: folders with a model's weights and what they are (run.json), by which it is loaded and scored again."""
