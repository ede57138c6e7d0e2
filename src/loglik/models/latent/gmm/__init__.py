"""The Gaussian mixture: the model, its covariances, where it starts, and the fast way through its E-step."""
