"""Fitting a model to data: closed form, EM or gradients, whichever the model has."""
