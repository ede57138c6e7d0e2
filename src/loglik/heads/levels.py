"""Draws among the levels of one value, as likely as they are, or sharpened: likelier ones more often."""

import torch
from torch import Tensor


def sharpened(log_p: Tensor, temperature: float, top_k: int | None) -> Tensor:
    """log p of all levels (..., L) -> log p^(1/temperature) over the `top_k` likeliest, both up to a constant.

    Of equally likely levels the lower ones come first.
    """
    log_p = log_p.double()
    log_q = (log_p - log_p.amax(-1, keepdim=True)) / temperature
    if top_k is None or top_k >= log_p.shape[-1]:
        return log_q
    likeliest = log_p.sort(dim=-1, descending=True, stable=True).indices[..., :top_k]
    return torch.full_like(log_q, -torch.inf).scatter(-1, likeliest, log_q.gather(-1, likeliest))


def draw_level(log_p: Tensor, noise: Tensor) -> Tensor:
    """log p (..., L) up to a constant, uniform noise (..., 1) -> levels (...): how many cumulated p it has passed."""
    cumulated = torch.softmax(log_p.double(), -1).cumsum(-1)
    return (cumulated[..., :-1] <= noise * cumulated[..., -1:]).sum(-1)
