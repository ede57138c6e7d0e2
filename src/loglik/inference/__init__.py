"""EM, and the evaluation of any model on any data."""
