"""Fully connected nets, and their fast passes."""
