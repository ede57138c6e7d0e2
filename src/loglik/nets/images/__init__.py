"""Convolutional nets, plain, masked, and pixel by pixel."""
