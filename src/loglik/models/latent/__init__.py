"""p(x) = int p(x|z) p(z) dz."""
