"""What latents tell: log p(x) by draws of z, its parts, and a q(z|x) of each event's own.

marginal       log p(x) by naive Monte Carlo, importance sampling, annealed importance sampling
annealing      the bridge from p(z) to p(x, z) that the last one walks over
decomposition  log p(x) = E_q log p(x|z) - KL(q|p(z)) + KL(q|p(z|x))
variational    a q(z|x) for every event, fitted in turns with the model
"""
