"""Check and convert arguments before any work: numbers, tensors, devices, sizes in memory."""
