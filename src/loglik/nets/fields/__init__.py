"""Vector fields of continuous flows, and their dynamics: the field and the change of volume."""
