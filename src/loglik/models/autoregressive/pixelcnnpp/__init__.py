"""PixelCNN++: two streams of gated residual blocks at several resolutions."""
