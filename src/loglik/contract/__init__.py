"""The contract: what a model of p(x) promises, and how its number may be read. Read this room first, in this order.

claim         what a number is, and how a model is fitted
model         what every model has
kinds         exact, latent and EM models: what each implements
capabilities  what a model may be able to do: a question, and methods that refuse by default
bijection     invertible maps, the parts of flows
posterior     the latents of an event, given the event
stats         what EM sums over events
"""

from loglik.contract.bijection import Bijection
from loglik.contract.claim import Claim, FittedBy
from loglik.contract.kinds import EMModel, ExactModel, LatentModel
from loglik.contract.model import Model
from loglik.contract.posterior import Posterior
from loglik.contract.stats import Stats

__all__ = ["Bijection", "Claim", "EMModel", "ExactModel", "FittedBy", "LatentModel", "Model", "Posterior", "Stats"]
