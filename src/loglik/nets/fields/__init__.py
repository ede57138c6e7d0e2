"""Vector fields of continuous flows, and motion along them with the change of volume."""
