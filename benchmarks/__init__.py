"""Measurements of loglik side by side with the libraries that do the same. Run `python -m benchmarks`."""

import os

# Set before torch loads OpenMP, for all contenders alike: idle threads sleep. Threads that spin gain a little on a
# quiet machine, but next to one other busy process every parallel loop waits for its time slice, and an EM step of 25
# ms takes 600. Judge by records of a quiet machine: peers that parallelise by other means (OpenBLAS) keep spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
