"""PixelCNN: masked convolutions in raster order, then red before green before blue.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759.
Plain masked convolutions leave a blind spot to the upper right; the paper's two stacks that remove it came later.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.bijections.elementwise import Standardize
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.flows.flow import Flow
from loglik.nets.causal import CausalNet
from loglik.nets.convolutional import MaskedConv2d
from loglik.spaces import Real, Space


class PixelCNNNet(CausalNet):
    """(B, [C,] H, W, inputs) -> (B, [C,] H, W, params).

    7 x 7 convolution with mask A; residual blocks x + [ReLU, 1x1 B (2h -> h), ReLU, 3x3 B, ReLU, 1x1 B (h -> 2h)];
    two layers of ReLU and 1x1 B (the paper's figure 5, table 1). Features are split in C groups, one for each colour.
    """

    def __init__(
        self, colours: int, inputs: int, width: int, layers: int, params: int, kernel: int, context: int, dropout: float
    ) -> None:
        super().__init__()
        self.colours = colours
        h = width
        self.first = MaskedConv2d(colours * inputs, 2 * h, kernel, mask="A", groups=colours)
        self.context = nn.Linear(context, 2 * h, bias=False) if context else None
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), MaskedConv2d(2 * h, h, 1, mask="B", groups=colours),
                nn.ReLU(), MaskedConv2d(h, h, 3, mask="B", groups=colours),
                nn.ReLU(), nn.Dropout(dropout), MaskedConv2d(h, 2 * h, 1, mask="B", groups=colours),
            )
            for _ in range(layers)
        )  # fmt: skip
        self.top = MaskedConv2d(2 * h, 2 * h, 1, mask="B", groups=colours)
        self.last = MaskedConv2d(2 * h, colours * params, 1, mask="B", groups=colours)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        shape = x.shape[1:-1]  # (C, H, W) or (H, W)
        pixels = x.reshape(len(x), self.colours, *shape[-2:], -1)
        # Each colour's features stay together, in the order of the colours, as the masks' groups want them.
        h = self.first(pixels.permute(0, 1, 4, 2, 3).flatten(1, 2))
        if self.context is not None and context is not None:
            h = h + self.context(context)[:, :, None, None]
        for block in self.blocks:
            h = h + block(h)
        out = self.last(F.relu(self.top(F.relu(h)))).to(x.dtype)
        return out.unflatten(1, (self.colours, -1)).permute(0, 1, 3, 4, 2).reshape(len(x), *shape, -1)  # type: ignore[no-any-return]

    def start(self, outputs: Tensor) -> None:
        """One bias serves all pixels of a colour, so they begin at the mean of their outputs."""
        assert self.last.bias is not None
        with torch.no_grad():
            self.last.bias.copy_(outputs.reshape(self.colours, -1, outputs.shape[-1]).mean(1).flatten())


def raster_order(shape: tuple[int, ...]) -> Tensor:
    """(C, H, W) or (H, W): indices of the flattened event, pixel by pixel in raster order, colours innermost."""
    colours = 1 if len(shape) == 2 else shape[0]
    return torch.arange(colours * shape[-2] * shape[-1]).reshape(colours, -1).T.flatten()


def pixelcnn(
    space: Space,
    *,
    layers: int = 5,
    width: int | None = None,
    kernel: int = 7,
    dropout: float = 0.0,
    context: Space | None = None,
) -> ExactModel:
    """`layers` residual blocks of `width` features (twice that between blocks), for images (H, W) or (C, H, W).

    `width` must be a multiple of C and defaults to 32, or 48 in colour. Reals are standardised inside the model.
    """
    if len(space.shape) not in (2, 3):
        raise UsageError(f"`pixelcnn` models images of shape (H, W) or (C, H, W); got {space}. Use made for vectors.")
    colours = 1 if len(space.shape) == 2 else space.shape[0]
    width = (32 if colours == 1 else 16 * colours) if width is None else width
    if width < 1 or width % colours:
        raise UsageError(f"Expected width to be a multiple of the {colours} colours; got {width}.")
    if kernel < 3 or kernel % 2 == 0:  # a first layer of 1 x 1 with mask A sees no other pixel at all
        raise UsageError(f"Expected an odd kernel of at least 3; got {kernel}.")
    head = head_for(space)
    condition = context.width if context else 0
    net = PixelCNNNet(colours, head.inputs, width, layers, head.params, kernel, condition, dropout)
    model = Autoregressive(space, net, head, raster_order(space.shape), context)
    return Flow(space, Standardize(space.shape), model) if isinstance(space, Real) else model
