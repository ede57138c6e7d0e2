"""The net of a PixelRNN: a masked convolution, layers of LSTMs that sweep over the image, and two layers of 1 x 1.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759, figure 5 and table 1.
Inside, the events are the last axis, (channels, H, W, B): what is done to a pixel is done to all events side by side.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.nets.causal import CausalNet, Steps
from loglik.nets.images.colours import as_channels, by_value, start_at
from loglik.nets.images.convolutional import MaskedConv2d

FRONT_AT_ONCE = 896  # pixels of a row x events; on the CPU the states of so many fit the cache


class LayerState(ABC):
    """What all layers have to remember while an image is computed pixel by pixel, for n events."""

    @abstractmethod
    def begin_row(self) -> None: ...

    @abstractmethod
    def pixel(self, layer: int, column: int, x: Tensor) -> Tensor:
        """The features (n, 2h) that a layer reads at a pixel of this row -> its states (n, h).

        Asked once for each colour of the pixel; the last answer counts.
        """

    @abstractmethod
    def end_row(self) -> None: ...


class ImageLayer(nn.Module, ABC):
    """An LSTM over images: features (2h, H, W, B) -> states (h, H, W, B), which know their own pixel as the features
    do, and of the others only earlier ones."""

    def __init__(self, width: int, directions: int, taps: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.width, self.directions = width, directions
        self.read = MaskedConv2d(2 * width, directions * 4 * width, kernel, mask="B", groups=groups, above=0)
        self.state = nn.Parameter(torch.randn(directions, taps, 4 * width, width) / (taps * width) ** 0.5)
        with torch.no_grad():  # forget gates begin open, so that what is far is not lost at once
            assert self.read.bias is not None
            self.read.bias.view(groups, directions, 4, -1)[:, :, 1] = 1.0

    def by_gate(self, values: Tensor | None) -> Tensor:
        """(groups x D x 4 x h/groups, ...) -> (D, 4h, ...): the gates of a direction together, each in groups."""
        assert values is not None
        groups = self.read.colours
        apart = values.reshape(groups, self.directions, 4, self.width // groups, *values.shape[1:])
        return apart.movedim(0, 2).flatten(1, 3)

    def kernel(self) -> Tensor:
        """K^is under its mask: (D, 4h, 2h, columns)."""
        return self.by_gate(self.read.weight * self.read.mask).squeeze(3)

    def bias(self) -> Tensor:
        """(D, 4h, 1)"""
        return self.by_gate(self.read.bias).unsqueeze(-1)

    @staticmethod
    @abstractmethod
    def memory(layers: "Sequence[ImageLayer]", n: int, columns: int) -> LayerState:
        """A fresh memory for all layers of a net, over images of so many columns."""


class ImageLSTM(CausalNet):
    """(B, [C,] H, W, inputs) -> (B, [C,] H, W, params).

    7 x 7 convolution with mask A; layers x + [LSTM (2h -> h), 1x1 B (h -> 2h)]; two layers of ReLU and 1x1 B.
    Features are split in C groups, one for each colour.
    """

    alike = 2

    def __init__(
        self, layer: Callable[[], ImageLayer], shape: tuple[int, ...], *, colours: int, inputs: int, width: int,
        layers: int, params: int, kernel: int, context: int, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.shape, self.colours = shape, colours
        self.first = MaskedConv2d(colours * inputs, 2 * width, kernel, mask="A", groups=colours)
        self.context = nn.Linear(context, 2 * width, bias=False) if context else None
        self.layers = nn.ModuleList(layer() for _ in range(layers))
        self.ups = nn.ModuleList(MaskedConv2d(width, 2 * width, 1, mask="B", groups=colours) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.top = MaskedConv2d(2 * width, 2 * width, 1, mask="B", groups=colours)
        self.last = MaskedConv2d(2 * width, colours * params, 1, mask="B", groups=colours)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        at_once = max(8, FRONT_AT_ONCE // max(self.shape))
        if x.device.type == "cpu" and len(x) > at_once:
            parts = [slice(i, i + at_once) for i in range(0, len(x), at_once)]
            return torch.cat([self(x[part], None if context is None else context[part]) for part in parts])
        h = self.first(as_channels(x, self.colours)).permute(1, 2, 3, 0).contiguous()
        if self.context is not None and context is not None:
            h = h + self.context(context).T[:, None, None, :]
        for layer, up in zip(self.layers, self.ups, strict=True):
            assert isinstance(up, MaskedConv2d)
            h = h + pointwise(up, self.dropout(layer(h)))
        out = pointwise(self.last, F.relu(pointwise(self.top, F.relu(h)))).to(x.dtype)
        return by_value(out.permute(3, 0, 1, 2), x.shape[1:-1])

    def start(self, outputs: Tensor) -> None:
        start_at(self.last, outputs, self.colours)

    def steps(self, n: int, context: Tensor | None = None) -> Steps | None:
        return ImageSteps(self, n, context)


def pointwise(conv: MaskedConv2d, x: Tensor) -> Tensor:
    """A 1 x 1 convolution of (channels, ...)."""
    assert conv.bias is not None
    weight = (conv.weight * conv.mask).flatten(1)
    return torch.addmm(conv.bias[:, None], weight, x.flatten(1)).view(-1, *x.shape[1:])


class ImageSteps(Steps):
    """Pixel by pixel, all layers at each, the colours of a pixel one after the other; dropout is off."""

    @torch.no_grad()
    def __init__(self, net: ImageLSTM, n: int, context: Tensor | None) -> None:
        self.net = net
        height, self.columns = net.shape[-2:]
        reach = net.first.reach
        weight = net.first.weight
        self.inputs = weight.shape[1] // net.colours
        # What the first convolution reads: the rows that it reaches and a margin on either side.
        self.window = weight.new_zeros(n, weight.shape[1], height + reach, self.columns + 2 * reach)
        layers = [layer for layer in net.layers if isinstance(layer, ImageLayer)]
        self.memory = layers[0].memory(layers, n, self.columns) if layers else None
        assert net.first.bias is not None
        self.begin = net.first.bias if net.context is None else net.first.bias + net.context(context)
        self.first = (weight * net.first.mask).flatten(1).T
        self.after = [_affine(conv) for conv in net.ups]
        self.top, self.last = _affine(net.top), _affine(net.last)
        self.place = 0

    @torch.no_grad()
    def __call__(self, previous: Tensor | None) -> Tensor:
        net, reach = self.net, self.net.first.reach
        if previous is not None:
            pixel, colour = divmod(self.place - 1, net.colours)
            row, column = divmod(pixel, self.columns)
            channels = slice(colour * self.inputs, (colour + 1) * self.inputs)
            self.window[:, channels, row + reach, column + reach] = previous
        pixel, colour = divmod(self.place, net.colours)
        row, column = divmod(pixel, self.columns)
        if self.memory is not None and column == colour == 0:
            if row:
                self.memory.end_row()
            self.memory.begin_row()
        window = self.window[:, :, row : row + reach + 1, column : column + 2 * reach + 1]
        h = torch.addmm(self.begin, window.flatten(1), self.first)
        for i, (bias, weight) in enumerate(self.after):
            assert self.memory is not None
            h += torch.addmm(bias, self.memory.pixel(i, column, h), weight)
        (top_bias, top), (bias, last) = self.top, self.last
        out = torch.addmm(bias, F.relu(torch.addmm(top_bias, F.relu(h), top)), last)
        self.place += 1
        return out.reshape(len(out), net.colours, -1)[:, colour]


def _affine(conv: nn.Module) -> tuple[Tensor, Tensor]:
    """bias (outputs,) and weight (inputs, outputs) of a masked 1 x 1 convolution."""
    assert isinstance(conv, MaskedConv2d)
    assert conv.bias is not None
    return conv.bias, (conv.weight * conv.mask).flatten(1).T
