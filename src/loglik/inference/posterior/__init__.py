"""The posterior over a model's parameters: priors, the joint density, and ways to draw from p(theta | X)."""
