"""Char RNN: the next symbol from a recurrent summary of all symbols before it.

Karpathy 2015, The Unreasonable Effectiveness of Recurrent Neural Networks; before it Sutskever, Martens, Hinton 2011,
Generating Text with Recurrent Neural Networks, and Graves 2013, Generating Sequences With Recurrent Neural Networks,
arXiv:1308.0850.
"""

import torch

from loglik.arguments.ranges import Count, Layers, Share
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.char_rnn.net import CELLS, RecurrentNet
from loglik.models.standardized import standardized
from loglik.spaces import Space


def char_rnn(
    space: Space,
    *,
    cell: str = "lstm",
    width: Count = 256,
    layers: Layers = 1,
    dropout: Share = 0.0,
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """p(x) = prod_t p(x_t | h_t), h_t = cell(x_{t-1}, h_{t-1}): `layers` layers of `width` cells, over values in order.

    `cell` is "lstm", "gru" or "rnn" (plain tanh). On a stream, such as a text, the state goes on from each window to
    the next, in training (truncated backpropagation through time) and in scores. Reals are standardised inside the
    model; images are read value by value in raster order. The `head` follows from the space unless named; `components`
    are those of a mixture.

    >>> import torch, loglik
    >>> model = loglik.build("char-rnn", loglik.Category((4,), levels=3), width=8, seed=0).eval()
    >>> log_p, state = model.log_likelihood_from(torch.tensor([[0, 1, 2, 0]]), None)
    >>> log_p, state = model.log_likelihood_from(torch.tensor([[1, 1, 2, 0]]), state)  # given the four before
    >>> log_p.shape
    torch.Size([1])
    """
    if cell not in CELLS:
        raise UsageError(f"Expected cell 'lstm', 'gru' or 'rnn'; got {cell!r}.")
    if width < 1 or layers < 1 or not 0.0 <= dropout < 1.0:
        raise UsageError(f"Expected width >= 1, layers >= 1 and 0 <= dropout < 1; got {width}, {layers} and {dropout}.")
    distribution = head_for(space, head, components)
    net = RecurrentNet(
        distribution.inputs,
        width,
        distribution.params,
        cell=cell,
        layers=layers,
        context=context.width if context else 0,
        dropout=dropout,
    )
    return standardized(Autoregressive(space, net, distribution, torch.arange(space.dims), context))
