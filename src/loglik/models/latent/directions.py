"""How many directions of PCA the data speak for: the evidence of each number.   Minka 2000, Automatic choice of
dimensionality for PCA, NIPS 13, 598-604.

With eigenvalues l_1 >= ... >= l_D of the covariance of n events, v = mean of l_k+1 ... l_D, m = D k - k (k + 1) / 2,

    log p(X|k) ~ log p(U) - n/2 [sum_i<=k log l_i + (D - k) log v] + (m + k)/2 log 2 pi - 1/2 log|A| - k/2 log n
    log p(U)   = -k log 2 + sum_i<=k [log G((D - i + 1)/2) - (D - i + 1)/2 log pi]
    log|A|     = sum_i<=k sum_j>i [log(1/h_j - 1/h_i) + log(l_i - l_j) + log n],   h_i = l_i for i <= k, else v

but for a constant: Laplace's approximation, over directions that are equally likely, variances and noise.
"""

import math

import torch
from torch import Tensor

from loglik.densities import LOG_2PI


def log_evidences(values: Tensor, events: float, dims: int) -> Tensor:
    """log p(X|k) for k = 1, 2, ..., but for a constant: as long as some variance is left to be noise, at most D - 1.

    Args:
        values: eigenvalues of the covariance (r,), in any order; the other `dims` - r are 0.
    """
    l = values.sort(descending=True).values  # noqa: E741  # the field's name
    tiny = torch.finfo(l.dtype).eps * float(l[0])
    most = max(1, int((l > tiny).sum()) - 1)
    k = torch.arange(1, most + 1, device=l.device, dtype=l.dtype)
    rest = (l.sum() - l[:most].cumsum(0)).clamp(min=tiny) / (dims - k)  # v
    log_volume = torch.lgamma((dims - k + 1.0) / 2.0) - (dims - k + 1.0) / 2.0 * math.log(math.pi) - math.log(2.0)
    fit = l[:most].log().cumsum(0) + (dims - k) * rest.log()
    # l_i - l_j over j > i, those that are 0 apart; and 1/h_j - 1/h_i over i < j <= k, and over j > k, where h_j = v.
    later = torch.ones(most, len(l), device=l.device).triu(1)
    apart = ((l[:most, None] - l).clamp(min=tiny).log() * later).sum(1) + (dims - len(l)) * l[:most].log()
    inverse = 1.0 / l[:most]
    gaps = (inverse - inverse[:, None]).clamp(min=tiny * float(inverse[0]) ** 2)
    among = (gaps.log() * torch.ones_like(gaps).triu(1)).sum(0)
    beyond = ((1.0 / rest - inverse[:, None]).clamp(min=tiny * float(inverse[0]) ** 2).log()).triu().sum(0)
    free = dims * k - k * (k + 1.0) / 2.0  # m, the freedom of k directions
    log_det = apart.cumsum(0) + among.cumsum(0) + (dims - k) * beyond + free * math.log(events)
    return (
        log_volume.cumsum(0) - 0.5 * events * fit + 0.5 * (free + k) * LOG_2PI - 0.5 * log_det
        - 0.5 * k * math.log(events)
    )  # fmt: skip


def likeliest(values: Tensor, events: float, dims: int) -> int:
    """The number of directions of the highest evidence, at least 1."""
    if not float(values.max()) > 0.0:
        return 1
    return int(log_evidences(values, events, dims).argmax()) + 1
