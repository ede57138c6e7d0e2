"""A fingerprint names rows: to the last digit, in their order, whatever holds them."""

import numpy as np
import torch

from loglik.data import as_source


def fingerprint(rows: object) -> str:
    return as_source(rows).read().fingerprint


def test_the_last_digit_of_a_double_counts() -> None:
    x = torch.linspace(1.0, 2.0, 20, dtype=torch.float64).reshape(10, 2)
    other = x.clone()
    other[7, 1] = np.nextafter(float(x[7, 1]), 3.0)
    assert fingerprint(x) == fingerprint(x.clone()) == fingerprint(x.numpy())
    assert fingerprint(x) != fingerprint(other)


def test_order_counts_and_the_type_of_equal_levels_does_not() -> None:
    x = torch.arange(12).reshape(6, 2)
    assert fingerprint(x) == fingerprint(x.to(torch.uint8)) == fingerprint(x.int())
    assert fingerprint(x) != fingerprint(x.flip(0))
    assert fingerprint(x) != fingerprint(x.flip(1))
