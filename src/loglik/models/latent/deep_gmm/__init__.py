"""The deep Gaussian mixture: paths through layers of affine maps, and the M-step of its EM."""
