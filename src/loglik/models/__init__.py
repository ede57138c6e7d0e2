"""Models of p(x), one file per system, named as its paper names it. Each file ends with the builder the zoo lists."""
