"""MADE: masked autoencoders, alone and as an ensemble over orders."""
