"""Data sets that are drawn here, from sources whose log p is known."""
