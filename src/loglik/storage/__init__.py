"""Files of runs: how they are written, and how they are read back when somebody else may have written them."""
