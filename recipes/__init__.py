"""Recipes: what was measured, how, and what the literature says; RESULTS.md is written from their recorded runs."""
