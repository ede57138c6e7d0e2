"""WaveNet: dilated causal convolutions."""
