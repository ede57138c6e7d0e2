"""Invertible maps with their log-determinants, always data -> noise; a flow is a chain of them."""
