"""Four ways to estimate the evidence Z = int L(theta) p(theta) dtheta, with honest errors."""
