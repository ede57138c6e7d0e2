"""p(x) = p(z) |det dz/dx|, z = f(x)."""
