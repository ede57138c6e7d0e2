"""What every other model has to beat."""
