"""Models of a user's own that are right, and written as one writes them who has read no more than the contract."""

import torch
from torch import Tensor

from loglik.contract import ExactModel
from loglik.spaces import Integer, Real


class Plain(ExactModel):
    """Neither checks its context nor minds the precision of its samples."""

    def __init__(self, dims: int) -> None:
        super().__init__(Real((dims,)))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1)  # type: ignore[no-untyped-call, no-any-return]

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return torch.randn(n, self.space.dims)


class Trained(ExactModel):
    """With parameters, and a sampler that mixes precisions."""

    def __init__(self, dims: int) -> None:
        super().__init__(Real((dims,)))
        self.mean, self.log_scale = (torch.nn.Parameter(torch.linspace(-1.0, 1.0, dims)) for _ in range(2))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        normal = torch.distributions.Normal(self.mean, self.log_scale.exp())
        return normal.log_prob(x).sum(1)  # type: ignore[no-untyped-call, no-any-return]

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.mean + self.log_scale.exp() * torch.randn(n, self.space.dims)


class Heavy(ExactModel):
    """Student's t with three degrees of freedom: tails that reach far, with little in them."""

    def __init__(self, dims: int) -> None:
        super().__init__(Real((dims,)))
        self.t = torch.distributions.StudentT(3.0)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.t.log_prob(x).sum(1)  # type: ignore[no-untyped-call, no-any-return]

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.t.sample((n, self.space.dims))  # type: ignore[no-untyped-call, no-any-return]


class Coins(ExactModel):
    """Scores in single precision whatever the laws run in."""

    def __init__(self, dims: int) -> None:
        super().__init__(Integer((dims,), 2))
        self.register_buffer("p", torch.linspace(0.2, 0.9, dims))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        p = self.p.float()
        return torch.where(x > 0, p.log(), (1.0 - p).log()).sum(1)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return torch.bernoulli(self.p.expand(n, -1))

    p: Tensor
