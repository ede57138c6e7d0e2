"""The command. It parses, calls one function of the library, and prints: results on stdout, talk on stderr.

Exit codes: 0 done; 2 wrong usage; 130 interrupted; the others are those of `loglik.errors`.
"""

from loglik.cli.app import main, program

__all__ = ["main", "program"]
