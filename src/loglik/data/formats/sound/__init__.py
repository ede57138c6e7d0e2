"""Recordings, one by one and as windows of samples."""
