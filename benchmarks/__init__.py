"""Measurements of loglik side by side with the libraries that do the same. Run `python -m benchmarks`."""

import os

# Set before torch loads OpenMP, for all contenders alike. Idle threads that spin cost little on a quiet machine, but one
# other busy process makes each parallel loop wait for its time slice: an EM step of 25 ms then takes 600. The record
# names the policy.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
