"""Monotonic splines: the transform, its equation in torch, and the same in compiled loops."""
