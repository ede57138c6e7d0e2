"""Factor analysis, and the likelihood of its noise, which a fit climbs."""
