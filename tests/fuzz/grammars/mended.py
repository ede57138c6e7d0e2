"""Inputs that broke the law and are mended, by grammar."""

from attempt import Attempt

MENDED: dict[str, tuple[Attempt, ...]] = {}
