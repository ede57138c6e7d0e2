"""A causal transformer over the values of an event."""
