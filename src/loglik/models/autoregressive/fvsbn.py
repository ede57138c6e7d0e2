"""The fully visible sigmoid belief net: each value is a logistic regression on those before it.

Neal 1992, Connectionist learning of belief networks, Artificial Intelligence 56; Frey, Hinton, Dayan 1996, Does the
wake-sleep algorithm produce good density estimators?, NIPS 8.
"""

from loglik.arguments.ranges import Count, Share
from loglik.contract import ExactModel
from loglik.models.autoregressive.made.model import made
from loglik.spaces import Space


def fvsbn(
    space: Space,
    *,
    input_dropout: Share = 0.0,
    order: str = "natural",
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """p(x_i = 1 | x_<i) = sigmoid(b_i + sum_{j<i} W_ij x_j): MADE without hidden layers.

    Values of more levels are softmax regressions, reals are linear-Gaussian with a scale that is log-linear in what
    was seen. Input dropout is its regularisation: for logistic regression it is an L2 penalty that spares rare
    features (Wager, Wang, Liang 2013, Dropout Training as Adaptive Regularization, arXiv:1307.1493).

    `order` is "natural" (first to last) or "random" (one fixed permutation). Reals are standardised inside the model.

    >>> import itertools, torch, loglik
    >>> model = loglik.build("fvsbn", loglik.Integer((3,), levels=2), seed=0)
    >>> every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    >>> round(model.log_prob(every).exp().sum().item(), 4)
    1.0
    """
    return made(
        space, hidden=(), input_dropout=input_dropout, order=order, head=head, components=components, context=context
    )
