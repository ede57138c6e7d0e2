"""What callers hand over, made usable or refused before any work: numbers, tensors, devices, what fits into memory."""
