"""Mistakes in autoregressive models of images: pixels and colours that see themselves or what comes later."""

import math
from collections.abc import Callable
from typing import Any

import torch
from mutating import mutated, override
from torch import Tensor, nn

from cases import BINARY, RGB, Case
from loglik.contract import Model
from loglik.heads.logistic import ColourLogisticHead, logistic_log_mass, scaled
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.pixelcnnpp.net import TwoStreams
from loglik.models.autoregressive.pixelcnnpp.shifted import ShiftedConv
from loglik.models.autoregressive.pixelrnn.diagonal import DiagonalBiLSTM
from loglik.models.autoregressive.pixelrnn.row import RowLSTM
from loglik.models.autoregressive.ride.lstm import SpatialLSTM
from loglik.models.autoregressive.ride.whitening import CausalWhitening
from loglik.nets.images.convolutional import MaskedConv2d
from loglik.spaces import Integer, Real

PIXELCNN = Case("pixelcnn", BINARY, {"width": 4, "layers": 1})
GATED = Case("gated-pixelcnn", BINARY, {"width": 4, "layers": 2, "kernel": 3})
GATED_RGB = Case("gated-pixelcnn", Integer((3, 2, 1), 3), {"width": 12, "layers": 2, "kernel": 3})
PIXELCNN_RGB = Case("pixelcnn", RGB, {"width": 6, "layers": 1})
ROW_LSTM = Case("row-lstm", BINARY, {"width": 4, "layers": 1})
DIAGONAL = Case("diagonal-bilstm", BINARY, {"width": 4, "layers": 1})
RIDE = Case("ride", Real((2, 3)), {"width": 4, "components": 3, "scales": 2, "features": 4})
TWO_STREAMS = Case("pixelcnn++", BINARY, {"width": 4, "layers": 1, "components": 2})


def own_pixel_in_first_layer(case: Case = PIXELCNN) -> Model:
    """Mask B where mask A belongs: the classic leak, after which the loss falls to zero."""
    model = case.model()
    assert isinstance(model, Autoregressive)
    first = model.net.first
    assert isinstance(first, MaskedConv2d)
    first.mask[:, :, -1, first.reach] = 1.0
    return model


def later_colours() -> Model:
    """1 x 1 convolutions without masks: red sees green and blue of its own pixel."""
    model = PIXELCNN_RGB.model()
    assert isinstance(model, Autoregressive)
    assert isinstance(model.net.top, MaskedConv2d)
    model.net.top.mask.fill_(1.0)
    return model


def interleaved_colours() -> Model:
    """One layer groups its channels r g b r g b, the others r r g g b b."""
    model = PIXELCNN_RGB.model()
    assert isinstance(model, Autoregressive)
    top = model.net.top
    assert isinstance(top, MaskedConv2d)
    shuffled = torch.arange(len(top.mask)).reshape(3, -1).T.flatten()
    top.mask.copy_(top.mask[shuffled])
    return model


def states_of_the_own_row() -> Model:
    """The Row LSTM's state-to-state kernel, which has no mask, over the row itself: its right-hand pixels leak."""

    def forward(self: RowLSTM, sound: Any, x: Tensor) -> Tensor:
        h = sound(self, x)
        taps = torch.stack([h.roll(-tap, 2) for tap in self.fronts.taps])
        return h + torch.einsum("kij,kj...->i...", self.state[0, :, : self.width], taps)

    return mutated(ROW_LSTM, RowLSTM, forward=forward)


def missing_row_shift() -> Model:
    """The states from the right are added where they are: each has seen the rest of its row."""
    return mutated(DIAGONAL, DiagonalBiLSTM, joined=lambda self, sound, left, right: left + right)


def missing_vertical_shift() -> Model:
    """The vertical stack reads the image as it is: its row is seen whole, the right of the pixel as well."""
    model = GATED.model()
    assert isinstance(model, Autoregressive)
    override(model.net, "shifted", lambda net, sound, image: image)
    return model


def link_from_the_row_below() -> Model:
    """A link that undoes the shift, so the horizontal stack takes vertical features that have seen its own pixel."""

    def link(layer: nn.Module, sound: Any, a: Tensor) -> Tensor:
        return sound(layer, nn.functional.pad(a, (0, 0, -1, 1)))  # type: ignore[no-any-return]

    model = GATED.model()
    assert isinstance(model, Autoregressive)
    override(model.net.layers[0].link, "forward", link)
    return model


def gated_layer_with(change: Callable[[MaskedConv2d], None], part: str) -> Model:
    """A Gated PixelCNN of colours with the mask of one convolution in its first layer changed."""
    model = GATED_RGB.model()
    assert isinstance(model, Autoregressive)
    changed = getattr(model.net.layers[0], part)
    assert isinstance(changed, MaskedConv2d)
    change(changed)
    return model


def all_colours(layer: MaskedConv2d) -> None:
    """1 x 1 without a mask: red sees green and blue of its own pixel."""
    layer.mask[:, :, -1, layer.reach] = 1.0


def interleaved(layer: MaskedConv2d) -> None:
    """Outputs r g b r g b where the other layers have r r g g b b; for gates, halves split before the colours."""
    layer.mask.copy_(layer.mask[torch.arange(len(layer.mask)).reshape(3, -1).T.flatten()])


def own_pixel_in_the_neighbourhood() -> Model:
    """The window of a pixel holds the pixel in place of its left neighbour."""
    model = RIDE.model()
    for part in model.modules():
        if isinstance(part, CausalWhitening):
            part.offsets[part.offsets.index((0, -1))] = (0, 0)
    return model


def states_of_the_next_row() -> Model:
    """A spatial LSTM that runs from the bottom row to the top."""

    def forward(layer: SpatialLSTM, sound: Any, x: Tensor) -> Tensor:
        h: Tensor = sound(layer, x.flip(1)).flip(1)
        return h

    return mutated(RIDE, SpatialLSTM, forward=forward)


def without_down_shift() -> Model:
    """The upper stream reads the pixel's own row."""
    return mutated(TWO_STREAMS, TwoStreams, shifted=lambda net, sound, x: (x, sound(net, x)[1]))


def without_right_shift() -> Model:
    """The left stream reads the pixel itself."""
    return mutated(TWO_STREAMS, TwoStreams, shifted=lambda net, sound, x: (sound(net, x)[0], x))


def padded_on_the_wrong_side() -> Model:
    """Kernels 2 wide that begin in their pixel's column: each of them looks one further to the right."""

    def forward(layer: ShiftedConv, sound: Any, x: Tensor) -> Tensor:
        y: Tensor = layer._convolved(x, layer.height - 1)[:, : x.shape[1], -x.shape[2] :]
        return y

    return mutated(TWO_STREAMS, ShiftedConv, forward=forward)


def density_times_bin() -> Model:
    """openai/pixel-cnn: where the bin holds less than 1e-5, the density at its middle times its width."""

    def log_prob(head: ColourLogisticHead, sound: Any, params: Tensor, x: Tensor) -> Tensor:
        log_pi, mean, log_scale, _ = head._read(params)
        z = (scaled(x, 4, mean.dtype).unsqueeze(-1) - mean) * torch.exp(-log_scale)
        log_density = z - log_scale - 2.0 * nn.functional.softplus(z)
        exact = logistic_log_mass(x.unsqueeze(-1), mean, log_scale, 4)
        inner = (x.unsqueeze(-1) > 0) & (x.unsqueeze(-1) < 3)
        log_mass = torch.where(inner & (exact < math.log(1e-5)), log_density + math.log(2.0 / 3.0), exact)
        return torch.logsumexp(log_pi + log_mass.sum(-2), -1)

    case = Case("pixelcnn++", Integer((1, 2, 2), 4), {"width": 4, "layers": 1, "components": 2})
    model = mutated(case, ColourLogisticHead, log_prob=log_prob)
    assert isinstance(model, Autoregressive)
    with torch.no_grad():  # two sharp components at the ends
        model.net.last.bias.copy_(torch.tensor([0.0, 0.0, -1.0, 1.0, -2.6, -2.6]))
    return model
