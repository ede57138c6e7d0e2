"""All mutations, family by family."""

import of_autoregressive
import of_bayes
import of_flows
import of_latent
import of_numbers
from mutation import Mutation

MUTATIONS: tuple[Mutation, ...] = (
    *of_latent.MUTATIONS,
    *of_autoregressive.MUTATIONS,
    *of_flows.MUTATIONS,
    *of_numbers.MUTATIONS,
    *of_bayes.MUTATIONS,
)
