"""Readers of what the user has, in memory or in files: arrays, tables, texts, recordings and images."""
