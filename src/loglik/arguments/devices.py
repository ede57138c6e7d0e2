"""Devices by name, if this machine has them and models can compute on them."""

import torch

from loglik.arguments.ranges import shown
from loglik.errors import UsageError


def device_of(name: object) -> torch.device:
    """The device called `name`; "auto" is a GPU if there is one, else the CPU.

    Raises:
        UsageError: none that this machine has; the message lists those it has.
    """
    there = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device("cuda" if len(there) > 1 and torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name) if isinstance(name, str) else name
        if isinstance(device, torch.device) and f"{device.type}:{device.index or 0}".replace("cpu:0", "cpu") in there:
            torch.empty(0, device=device)
            return device
    except (RuntimeError, AssertionError, AttributeError):
        pass
    raise UsageError(
        f"Expected a device that torch sees here, {' or '.join(there)}, or auto; got {shown(name)}. {_why(name)}"
    )


def _why(name: object) -> str:
    """What is known of a device that is not there, and what to do."""
    if not str(name).startswith("cuda"):
        return "Take one of these."
    if torch.cuda.device_count():
        return f"torch sees {torch.cuda.device_count()} CUDA devices, counted from 0. Take one of these."
    if torch.version.cuda is None:
        return "torch sees no CUDA device: this torch is built without CUDA. Take cpu, or install a torch with CUDA."
    return "torch sees no CUDA device: see whether `nvidia-smi` lists one. Take cpu, or mend its driver."
