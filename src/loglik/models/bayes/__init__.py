"""p(x|X) = int p(x|theta) p(theta|X) dtheta: parameters are integrated over, not chosen."""
