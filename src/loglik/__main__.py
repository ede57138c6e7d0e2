"""`python -m loglik`."""

from loglik.cli import program

program()
