"""Gated PixelCNN: two stacks of masked convolutions without a blind spot, and multiplicative gates.

van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves, Kavukcuoglu 2016, Conditional Image Generation with PixelCNN
Decoders, arXiv:1606.05328.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.arguments.ranges import Count, Few, Layers, Share
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.raster import image_size, raster_order
from loglik.models.standardized import standardized
from loglik.nets.causal import CausalNet, Steps
from loglik.nets.images.colours import as_channels, by_value, start_at
from loglik.nets.images.convolutional import MaskedConv2d, RowsConv2d
from loglik.nets.images.pixelwise import PixelwiseConv, RasterWalk, RowwiseConv
from loglik.spaces import Space


def gate(a: Tensor, groups: int = 1) -> Tensor:
    """tanh(f) * sigmoid(g), (B, 2h, ...) -> (B, h, ...), where every group of features is [f, g]."""
    f, g = a.unflatten(1, (groups, 2, -1)).unbind(2)
    return (torch.tanh(f) * torch.sigmoid(g)).flatten(1, 2)


class GatedLayer(nn.Module):
    """One layer of both stacks; * is a convolution, c the context.

        a  = V * v                          ceil(k/2) x k: what the vertical stack sees lies in the rows above
        v' = gate(a + C_v c)
        b  = H * h + L a                    1 x ceil(k/2), masked; L is 1 x 1
        y  = gate(b + C_h c)
        h' = h + R * y,   skip = S * y      1 x 1, masked; the first layer's h is the image, which h' leaves out,
                                            and the last layer has neither h' nor v'

    H, R, S have the features of the colours apart, as masks A and B want them. V and L have not: a saw only rows above,
    and of these every colour may know all.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        kernel: int,
        *,
        first: bool,
        last: bool,
        colours: int,
        context: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.first, self.colours = first, colours
        self.vertical = RowsConv2d(inputs, 2 * width, kernel)
        mask = "A" if first else "B"
        self.horizontal = MaskedConv2d(inputs, 2 * width, kernel, mask=mask, groups=colours, above=0)
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        gated = 2 * width if last else 4 * width  # the horizontal stack's features, then the vertical's
        self.context = nn.Linear(context, gated, bias=False) if context else None
        self.dropout = nn.Dropout(dropout)
        self.residual = None if last else MaskedConv2d(width, width, 1, mask="B", groups=colours)
        self.skip = MaskedConv2d(width, width, 1, mask="B", groups=colours)

    def forward(self, v: Tensor, h: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """v (B, inputs, H, W), h (B, inputs, H, W), context (B, C) -> v', h', skip, each (B, width, H, W)."""
        a = self.vertical(v)
        b = self.horizontal(h) + self.link(a)
        if self.context is not None and context is not None:
            to_horizontal, *to_vertical = self.context(context)[:, :, None, None].split(a.shape[1], dim=1)
            a, b = sum(to_vertical, a), b + to_horizontal
        y = self.dropout(gate(b, self.colours))
        if self.residual is None:
            return v, h, self.skip(y)
        return gate(a), self.residual(y) if self.first else h + self.residual(y), self.skip(y)


class GatedPixelCNNNet(CausalNet):
    """(B, [C,] H, W, inputs) -> (B, [C,] H, W, params).

    The vertical stack reads the image moved down by one row, once, so that at row i it has seen the rows before i; the
    paper moves its features instead, wherever the horizontal stack reads them, which lets through the same.
    The skips of all layers add up and pass two layers of ReLU and 1 x 1 B. All features are split in C groups, one for
    each colour, but those of the vertical stack.
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
        self.layers = nn.ModuleList(
            GatedLayer(
                width if i else colours * inputs, width, 3 if i else kernel, first=i == 0, last=i == layers - 1,
                colours=colours, context=context, dropout=dropout,
            )
            for i in range(layers)
        )  # fmt: skip
        self.top = MaskedConv2d(width, width, 1, mask="B", groups=colours)
        self.last = MaskedConv2d(width, colours * params, 1, mask="B", groups=colours)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = as_channels(x, self.colours).contiguous(memory_format=torch.channels_last)
        v = self.shifted(h)
        total: Tensor | None = None
        for layer in self.layers:
            v, h, skip = layer(v, h, context)
            total = skip if total is None else total + skip
        assert total is not None
        out = self.last(F.relu(self.top(F.relu(total)), inplace=True)).to(x.dtype)
        return by_value(out, x.shape[1:-1])

    def shifted(self, image: Tensor) -> Tensor:
        """(B, inputs, H, W): row i becomes row i + 1, the first becomes 0, and the last is left out."""
        return F.pad(image, (0, 0, 1, -1))

    def start(self, outputs: Tensor) -> None:
        start_at(self.last, outputs, self.colours)

    def steps(self, n: int, context: Tensor | None = None) -> Steps:
        return GatedPixelCNNSteps(self, n, context)


class GatedLayerSteps:
    """A `GatedLayer`: the vertical stack a row at a time, the horizontal one a colour of a pixel at a time."""

    @torch.no_grad()
    def __init__(self, layer: GatedLayer, n: int, columns: int, context: Tensor | None) -> None:
        def pixelwise(part: MaskedConv2d) -> PixelwiseConv:
            return PixelwiseConv(part, n, columns)

        self.layer, self.colours = layer, layer.colours
        self.vertical = RowwiseConv(layer.vertical, n, columns)
        self.horizontal, self.skip = pixelwise(layer.horizontal), pixelwise(layer.skip)
        self.residual = None if layer.residual is None else pixelwise(layer.residual)
        if self.residual is not None:
            self.residual.windows = self.skip.windows  # both read y
        assert layer.link.bias is not None
        assert layer.horizontal.bias is not None
        self.link = layer.link.weight.detach()[:, :, 0, 0].clone()
        self.known = (layer.link.bias + layer.horizontal.bias).detach()
        self.to_vertical: Tensor | None = None
        if layer.context is not None and context is not None:
            to_horizontal, *to_vertical = layer.context(context)[:, None].split(len(self.known), dim=-1)
            self.known = self.known + to_horizontal
            self.to_vertical = to_vertical[0] if to_vertical else None
        self.from_above: list[tuple[Tensor, ...]] = []

    def next_row(self, v: Tensor) -> Tensor:
        """The vertical stack's input (n, columns, inputs) of the row that begins -> its output, (n, columns, width)."""
        a = self.vertical.next_row(v)
        linked = F.linear(a, self.link) + self.known
        self.from_above = [column.chunk(self.colours, -1) for column in linked.unbind(1)]
        if self.residual is None:
            return v
        a = a if self.to_vertical is None else a + self.to_vertical
        return gate(a.mT).mT

    def at(self, h: Tensor | None, skips: Tensor, column: int, colour: int) -> tuple[Tensor | None, Tensor]:
        """One colour's h (n, width / C), None where it is the image, and the skips so far -> h', skips with ours."""
        if h is not None:
            self.horizontal.slots[column][colour].copy_(h)
        f, g = self.horizontal.at(column, colour, plus=self.from_above[column][colour]).chunk(2, dim=-1)
        torch.mul(torch.tanh(f), torch.sigmoid(g), out=self.skip.slots[column][colour])
        skips = self.skip.at(column, colour, plus=skips)
        if self.residual is None:
            return None, skips
        if h is None:
            return self.residual.at(column, colour), skips
        return self.residual.at(column, colour, plus=h).add_(self.residual.biases[colour]), skips


class GatedPixelCNNSteps(Steps):
    """A `GatedPixelCNNNet` pixel by pixel and colour by colour; what comes from the rows above, once for a row."""

    few = 32

    @torch.no_grad()
    def __init__(self, net: GatedPixelCNNNet, n: int, context: Tensor | None) -> None:
        layers = [layer for layer in net.layers if isinstance(layer, GatedLayer)]
        self.walk = RasterWalk(net.colours, net.columns)
        self.layers = [GatedLayerSteps(layer, n, net.columns, context) for layer in layers]
        self.top, self.last = PixelwiseConv(net.top, n, net.columns), PixelwiseConv(net.last, n, net.columns)
        biases = torch.stack([layer.skip.bias for layer in layers if layer.skip.bias is not None]).sum(0)
        self.skips = biases.chunk(net.colours)
        self.image_row = self.layers[0].horizontal.band[:, -net.columns :, 0]  # (n, columns, inputs)
        self._next_row(torch.zeros_like(self.image_row))

    def _next_row(self, above: Tensor) -> None:
        v = above
        for layer in self.layers:
            v = layer.next_row(v)

    @torch.no_grad()
    def __call__(self, previous: Tensor | None) -> Tensor:
        if previous is not None:
            self.layers[0].horizontal.slots[self.walk.column][self.walk.colour].copy_(previous)
            if self.walk.step():
                self._next_row(self.image_row)
        at = self.walk.column, self.walk.colour
        h: Tensor | None = None
        skips = self.skips[self.walk.colour]
        for layer in self.layers:
            h, skips = layer.at(h, skips, *at)
        self.top.put_relu(skips, *at)
        self.last.put_relu(self.top.at(*at), *at)
        return self.last.at(*at)


def gated_pixelcnn(
    space: Space,
    *,
    layers: Layers = 5,
    width: Count | None = None,
    kernel: Few = 7,
    dropout: Share = 0.0,
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """`layers` gated layers of `width` features in each stack, for images (H, W) or (C, H, W).

    The first layer's kernel reaches `kernel` // 2 pixels, the others' one. `width` must be a multiple of C and defaults
    to 32, or 16 C in colour. Reals are standardised inside the model. `head` names the distribution of a value where it
    should not follow from the space; `components` are a mixture's.

    >>> import loglik
    >>> label = loglik.Category((1,), levels=10)
    >>> model = loglik.build("gated-pixelcnn", loglik.Integer((3, 3), levels=2), width=4, layers=1, context=label)
    >>> loglik.sample(model, 2, context=[[7], [3]]).shape
    torch.Size([2, 3, 3])
    """
    colours, columns, width = image_size(space, "gated-pixelcnn", width, kernel, per_colour=16)
    if layers < 1:
        raise UsageError(f"Expected at least 1 layer; got {layers}.")
    distribution = head_for(space, head, components)
    condition = context.width if context else 0
    net = GatedPixelCNNNet(
        colours, columns, inputs=distribution.inputs, params=distribution.params,
        width=width, layers=layers, kernel=kernel, context=condition, dropout=dropout,
    )  # fmt: skip
    return standardized(Autoregressive(space, net, distribution, raster_order(space.shape), context))
