"""PixelCNN++: two streams of gated residual blocks at several resolutions, and all colours of a pixel drawn together.

Salimans, Karpathy, Chen, Kingma 2017, PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood
and Other Modifications, arXiv:1701.05517:

    p(x) = prod_ij p(r_ij, g_ij, b_ij | pixels before ij)                                               (equation 3)
    P(x | pi, mu, s) = sum_k pi_k [sigmoid((x + 0.5 - mu_k) / s_k) - sigmoid((x - 0.5 - mu_k) / s_k)]   (equation 2)

`net` computes the parameters of all pixels in one pass, `steps` pixel by pixel, and the head is the mixture.
Published code scores levels far from the means by density times bin width, so that its probabilities do not sum to
one; here they do.
"""

from loglik.arguments.ranges import Count, Few, Layers, Share
from loglik.errors import UsageError
from loglik.heads import ColourLogisticHead
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.pixelcnnpp.net import TwoStreams
from loglik.models.autoregressive.raster import raster_order
from loglik.spaces import Integer, Space

MOST_RESOLUTIONS = 3  # the paper's, on 32 x 32
COARSEST = 4  # pixels along the shorter side that a resolution needs to be worth having


def pixelcnnpp(
    space: Space,
    *,
    layers: Layers = 3,
    width: Count = 32,
    components: Count = 10,
    resolutions: Few | None = None,
    dropout: Share = 0.0,
    context: Space | None = None,
) -> Autoregressive:
    """`layers` gated blocks of `width` channels in each stream at each resolution, on the way down and on the way up.

    For integer images (H, W) or (C, H, W) of any number of levels; the C colours of a pixel share one of `components`
    mixture components. The paper has layers=5, width=160, dropout=0.5 and 3 `resolutions`, each half the one before;
    by default there are as many as leave 4 pixels to the shorter side.

    >>> import torch, loglik
    >>> model = loglik.build("pixelcnn++", loglik.Integer((1, 1), levels=256), width=4, layers=1, seed=0)
    >>> every = torch.arange(256).reshape(256, 1, 1)
    >>> round(model.log_prob(every).exp().sum().item(), 4)
    1.0
    """
    if not isinstance(space, Integer) or len(space.shape) not in (2, 3):
        raise UsageError(
            f"`pixelcnn++` models images of ordered levels, Integer of shape (H, W) or (C, H, W); got {space}. "
            "Use pixelcnn for labels and reals, made for vectors."
        )
    for name, value in (("layers", layers), ("width", width), ("components", components)):
        if value < 1:
            raise UsageError(f"Expected {name} >= 1; got {value}.")
    colours = 1 if len(space.shape) == 2 else space.shape[0]
    rows, columns = space.shape[-2:]
    most = most_resolutions(max(rows, columns), 1)
    if resolutions is None:
        resolutions = min(MOST_RESOLUTIONS, most_resolutions(min(rows, columns), COARSEST))
    elif not 1 <= resolutions <= most:
        raise UsageError(f"Expected 1 to {most} resolutions for {rows} x {columns} pixels; got {resolutions}.")
    head = ColourLogisticHead(space.levels, components, colours)
    condition = context.width if context else 0
    net = TwoStreams(
        columns, head.inputs, head.params,
        width=width, layers=layers, resolutions=resolutions, context=condition, dropout=dropout,
    )  # fmt: skip
    return Autoregressive(space, net, head, raster_order(space.shape), context)


def most_resolutions(side: int, coarsest: int) -> int:
    """How often `side` can be halved, rounding up, down to `coarsest` pixels at least; the first one counts."""
    count = 1
    while side > 1 and -(-side // 2) >= coarsest:
        side, count = -(-side // 2), count + 1
    return count
