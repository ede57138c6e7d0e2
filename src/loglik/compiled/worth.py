"""Whether compiled loops are worth it. They take a second or two to load, and more the very first time."""

import torch
from torch import Tensor


def worth_compiling(like: Tensor, work: int, least: int) -> bool:
    """For tensors like this one, on the CPU in float32 or float64, and enough work; not under torch.compile."""
    suits = like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64)
    return suits and work >= least and not torch.compiler.is_compiling()
