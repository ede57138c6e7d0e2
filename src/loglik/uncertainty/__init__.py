"""What may be said of a mean of values that depend on each other, or of which a few rule it.

mean_error    the standard error and interval of a mean, by rows, groups or blocks of a stream
few_rows      how many rows carry a mean, where they are few; `carry_the_mean` says so
sign_test     whether values lie on one side of zero, whatever their tails
"""

from loglik.uncertainty.mean_error import MeanError, mean_error
from loglik.uncertainty.tails import Few, carry_the_mean, few_rows, median, sign_test

__all__ = ["Few", "MeanError", "carry_the_mean", "few_rows", "mean_error", "median", "sign_test"]
