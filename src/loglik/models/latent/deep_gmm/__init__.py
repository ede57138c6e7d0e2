"""The deep Gaussian mixture: paths through layers of affine maps, all summed or good ones found."""
