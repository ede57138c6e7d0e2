"""PixelCNN: masked convolutions in raster order, then red before green before blue.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759.
Plain masked convolutions leave a blind spot to the upper right; the paper's two stacks that remove it came later.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.arguments.ranges import Count, Few, LayersOrNone, Share
from loglik.contract import ExactModel
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.raster import first_kernel, image_size, raster_order
from loglik.models.standardized import standardized
from loglik.nets.causal import CausalNet, Steps
from loglik.nets.images.colours import as_channels, by_value, start_at
from loglik.nets.images.convolutional import MaskedConv2d
from loglik.nets.images.pixelwise import PixelwiseConv, RasterWalk
from loglik.spaces import Space


class PixelCNNNet(CausalNet):
    """(B, [C,] H, W, inputs) -> (B, [C,] H, W, params).

    7 x 7 convolution with mask A; residual blocks x + [ReLU, 1x1 B (2h -> h), ReLU, 3x3 B, ReLU, 1x1 B (h -> 2h)];
    two layers of ReLU and 1x1 B (the paper's figure 5, table 1). Features are split in C groups, one for each colour.
    """

    alike = 2

    def __init__(
        self,
        colours: int,
        columns: int,
        *,
        inputs: int,
        width: int,
        layers: int,
        params: int,
        kernel: int,
        context: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.colours, self.columns = colours, columns
        h = width
        self.first = MaskedConv2d(colours * inputs, 2 * h, kernel, mask="A", groups=colours)
        self.context = nn.Linear(context, 2 * h, bias=False) if context else None
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), MaskedConv2d(2 * h, h, 1, mask="B", groups=colours),
                nn.ReLU(inplace=True), MaskedConv2d(h, h, 3, mask="B", groups=colours),
                nn.ReLU(inplace=True), nn.Dropout(dropout), MaskedConv2d(h, 2 * h, 1, mask="B", groups=colours),
            )
            for _ in range(layers)
        )  # fmt: skip
        self.top = MaskedConv2d(2 * h, 2 * h, 1, mask="B", groups=colours)
        self.last = MaskedConv2d(2 * h, colours * params, 1, mask="B", groups=colours)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.first(as_channels(x, self.colours)).contiguous(memory_format=torch.channels_last)
        if self.context is not None and context is not None:
            h = h + self.context(context)[:, :, None, None]
        for block in self.blocks:
            h = h + block(h)
        out = self.last(F.relu(self.top(F.relu(h)), inplace=True)).to(x.dtype)
        return by_value(out, x.shape[1:-1])

    def start(self, outputs: Tensor) -> None:
        start_at(self.last, outputs, self.colours)

    def steps(self, n: int, context: Tensor | None = None) -> Steps:
        return PixelCNNSteps(self, n, context)


class PixelCNNSteps(Steps):
    """A `PixelCNNNet` pixel by pixel and colour by colour: of every layer, only the column of features that is new."""

    few = 32

    @torch.no_grad()
    def __init__(self, net: PixelCNNNet, n: int, context: Tensor | None) -> None:
        def pixelwise(layer: nn.Module) -> PixelwiseConv:
            assert isinstance(layer, MaskedConv2d)
            return PixelwiseConv(layer, n, net.columns)

        self.walk = RasterWalk(net.colours, net.columns)
        self.first, self.top, self.last = pixelwise(net.first), pixelwise(net.top), pixelwise(net.last)
        self.blocks = [
            [pixelwise(layer) for layer in block if isinstance(layer, MaskedConv2d)]
            for block in net.blocks
            if isinstance(block, nn.Sequential)
        ]
        if net.context is not None and context is not None:
            bias = net.first.bias + net.context(context)
            self.first.biases = bias.chunk(net.colours, -1)

    @torch.no_grad()
    def __call__(self, previous: Tensor | None) -> Tensor:
        if previous is not None:
            self.first.slots[self.walk.column][self.walk.colour].copy_(previous)
            if self.walk.step():
                for layer in (self.first, *(layer for block in self.blocks for layer in block)):
                    layer.next_row()
        at = self.walk.column, self.walk.colour
        h = self.first.at(*at)
        for narrow, look, widen in self.blocks:
            narrow.put_relu(h, *at)
            look.put_relu(narrow.at(*at), *at)
            widen.put_relu(look.at(*at), *at)
            h = widen.at(*at, plus=h).add_(widen.biases[at[1]])
        self.top.put_relu(h, *at)
        self.last.put_relu(self.top.at(*at), *at)
        return self.last.at(*at)


def pixelcnn(
    space: Space,
    *,
    layers: LayersOrNone = 5,
    width: Count | None = None,
    kernel: Few | None = None,
    dropout: Share = 0.0,
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """`layers` residual blocks of `width` features (twice that between blocks), for images (H, W) or (C, H, W).

    `width` must be a multiple of C and defaults to 32, or 16 C in colour. The first convolution is `kernel` x `kernel`,
    by default as large as the image, up to 27 x 27; the paper's is 7 x 7, which sees little of a large image and leaves
    the rest to the blocks. Reals are standardised inside the model. `head` names the distribution of a value where it
    should not follow from the space; `components` are a mixture's.

    >>> import loglik
    >>> model = loglik.build("pixelcnn", loglik.Integer((3, 3), levels=2), width=4, layers=1, seed=0)
    >>> loglik.sample(model, 2, given=[[[1, 0, 1]]])[:, 0].tolist()  # the first row is given
    [[1, 0, 1], [1, 0, 1]]
    """
    kernel = first_kernel(space.shape) if kernel is None else kernel
    colours, columns, width = image_size(space, "pixelcnn", width, kernel, per_colour=16)
    distribution = head_for(space, head, components)
    condition = context.width if context else 0
    net = PixelCNNNet(
        colours, columns, inputs=distribution.inputs, params=distribution.params,
        width=width, layers=layers, kernel=kernel, context=condition, dropout=dropout,
    )  # fmt: skip
    return standardized(Autoregressive(space, net, distribution, raster_order(space.shape), context))
