"""Masked nets: which units see which values, one pass over all values, and values one by one."""
