"""RIDE: spatial LSTMs that sum up all pixels above and to the left, and a mixture that predicts the next pixel.

Theis, Bethge 2015, Generative Image Modeling Using Spatial LSTMs, arXiv:1506.03478. Without recurrent layers it is the
MCGSM of Theis, Hosseini, Bethge 2012 on the neighbourhood of each pixel, the baseline in that paper's tables.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from loglik.arguments.ranges import Count, Few, LayersOrNone
from loglik.bijections.colour import YCbCr
from loglik.bijections.compose import Chain
from loglik.bijections.elementwise import Standardize
from loglik.contract import ExactModel, Model
from loglik.errors import UsageError
from loglik.heads.mcgsm import MCGSMHead
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.raster import raster_order
from loglik.models.autoregressive.ride.lstm import SpatialLSTM
from loglik.models.autoregressive.ride.whitening import CausalWhitening
from loglik.models.dequantized import density_space, on_integers
from loglik.models.flow import ExactFlow
from loglik.nets.causal import CausalNet, Steps
from loglik.spaces import Real, Space

PIXELS_AT_ONCE = 1 << 17  # where no gradients are wanted, images go through in parts of about so many
STARTING_PIXELS = 100_000  # that the mixture starts from


class RideNet(CausalNet):
    """Pixels (B, H, W, C), context (B, context) -> [h, prediction, L] (B, H, W, params), as `MCGSMHead` reads them.

    x' and the prediction come from the whitened causal neighbourhood; the layers of spatial LSTMs turn [x', which
    neighbours are outside, context] into h, each layer reading the one before. Without layers that input is h.
    """

    def __init__(
        self, whitening: CausalWhitening, layers: int, width: int, *, extended: bool = False, context: int = 0
    ) -> None:
        super().__init__()
        self.whitening = whitening
        inputs = whitening.inputs + len(whitening.offsets) + context
        widths = [inputs] + [width] * layers
        self.layers = nn.ModuleList(SpatialLSTM(below, here, extended=extended) for below, here in pairwise(widths))
        self.hidden = widths[-1]

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # the prediction is part of the density, not of a net
            white, prediction = self.whitening(x)
        pattern = self.whitening.pattern
        h = torch.cat([white, self.whitening.outside[pattern].expand(len(x), -1, -1, -1)], -1)
        if context is not None:
            h = torch.cat([h, context[:, None, None].expand(-1, *pattern.shape, -1)], -1)
        for layer in self.layers:
            h = layer(h)
        L = self.whitening.scale[pattern].flatten(-2).expand(len(x), -1, -1, -1)
        return torch.cat([h.to(x.dtype), prediction, L], -1)

    def start(self, outputs: Tensor) -> None:
        """Nothing here gives constant outputs: `Ride.initialize` fits the whitening, and the head on top of it."""

    def steps(self, n: int, context: Tensor | None = None) -> Steps:
        return RideSteps(self, n, context)


class RideSteps(Steps):
    """Pixel after pixel: for each layer the states of the row above are kept, replaced from the left by this row's."""

    def __init__(self, net: RideNet, n: int, context: Tensor | None) -> None:
        self.net, self.context, self.place = net, context, 0
        whitening = net.whitening
        self.height, self.breadth = whitening.pattern.shape
        colours = whitening.mean_y.shape[1]
        self.canvas = whitening.pad(whitening.mean_y.new_zeros(n, self.height, self.breadth, colours))
        self.nothing = (self.canvas.new_zeros(n, net.hidden),) * 2
        self.states = [[self.nothing] * self.breadth for _ in net.layers]

    @torch.no_grad()
    def __call__(self, previous: Tensor | None) -> Tensor:
        whitening = self.net.whitening
        if previous is not None:
            row, column = divmod(self.place - 1, self.breadth)
            self.canvas[:, row + whitening.reach, column + whitening.reach] = previous
        row, column = divmod(self.place, self.breadth)
        white, prediction = whitening.at(self.canvas, row, column)
        pattern = whitening.pattern[row, column]
        h = torch.cat([white, whitening.outside[pattern].expand(len(white), -1)], -1)
        if self.context is not None:
            h = torch.cat([h, self.context.to(h.dtype)], -1)
        for layer, states in zip(self.net.layers, self.states, strict=True):
            assert isinstance(layer, SpatialLSTM)
            left = states[column - 1] if column else self.nothing
            states[column] = layer.cell(layer.input(h), left, states[column])
            h = states[column][0]
        self.place += 1
        return torch.cat([h, prediction, whitening.scale[pattern].flatten().expand(len(h), -1)], -1)


class Ride(ExactModel):
    """log p(y) = sum_ij log p(y_ij | h_ij),  h_ij of all pixels above and to the left: every pixel counts.

    It starts from the best linear prediction of each pixel from its neighbourhood.
    """

    def __init__(self, space: Real, net: RideNet, head: MCGSMHead, context: Space | None = None) -> None:
        super().__init__(space, context)
        self.model = Autoregressive(space, net, head, raster_order(space.shape), context)
        self.images_at_once = max(1, PIXELS_AT_ONCE // (space.shape[-2] * space.shape[-1]))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        if torch.is_grad_enabled() or len(x) <= self.images_at_once:
            return self.model.log_prob(x, context)
        parts = range(0, len(x), self.images_at_once)
        rows = [slice(start, start + self.images_at_once) for start in parts]
        return torch.cat([self.model.log_prob(x[i], None if context is None else context[i]) for i in rows])

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.model.sample(n, context)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.model.measure_context(context)
        x = self.events(x, context)
        net, head = self.model.net, self.model.head
        assert isinstance(net, RideNet)
        assert isinstance(head, MCGSMHead)
        pixels = self.model.by_site(x)
        net.whitening.fit(pixels)
        some = slice(0, max(1, STARTING_PIXELS // (pixels.shape[1] * pixels.shape[2])))
        params = self.model.conditionals(x[some], None if context is None else context[some])
        head.start(params, pixels[some])


def ride(
    space: Space,
    *,
    layers: LayersOrNone = 1,
    width: Count = 64,
    components: Count = 32,
    scales: Few = 4,
    features: Count = 32,
    kernel: Few = 5,
    extended: bool = False,
    context: Space | None = None,
) -> Model:
    """`layers` spatial LSTMs of `width` states, for images (H, W) or (C, H, W); with layers=0 the MCGSM baseline.

    The mixture has `components` of `scales` scales each and `features` shared by them. A pixel is predicted from the
    half of a `kernel` x `kernel` window that comes before it, and through the LSTMs from all pixels above and to the
    left. With `extended` the gates see the memory cells too. Three channels are taken for red, green and blue, and
    modelled as Y, then Cb and Cr. Integers are dequantised: the likelihood is then a lower bound.

    >>> import torch, loglik
    >>> model = loglik.build("ride", loglik.Integer((2, 3), levels=256), width=4, components=2)
    >>> x = torch.randint(256, (50, 2, 3), generator=torch.Generator().manual_seed(0))
    >>> history = loglik.fit(model, x, steps=2)
    >>> str(loglik.evaluate(model, x).claim)  # integers are dequantised
    'lower bound'
    """
    real = density_space(space, "ride")
    if len(space.shape) not in (2, 3):
        raise UsageError(f"`ride` models images of shape (H, W) or (C, H, W); got {space}. Use made for vectors.")
    if layers < 0:
        raise UsageError(f"Expected layers >= 0; got {layers}.")
    counts = {"width": width, "components": components, "scales": scales, "features": features}
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"Expected {name} of at least 1; got {count}.")
    if kernel < 3 or kernel % 2 == 0:
        raise UsageError(f"Expected an odd kernel of at least 3; got {kernel}.")
    colours = space.shape[0] if len(space.shape) == 3 else 1
    whitening = CausalWhitening(space.shape[-2], space.shape[-1], colours, kernel)
    net = RideNet(whitening, layers, width, extended=extended, context=context.width if context else 0)
    head = MCGSMHead(net.hidden, colours, components=components, scales=scales, features=features)
    colour = YCbCr() if colours == 3 else Chain([])
    # One scale for all pixels and colours: the weights are the same at all pixels, and colours are mixed.
    rescale = Standardize(real.shape, alike=len(real.shape))
    model = ExactFlow(real, colour, Ride(real, net, head, context), rescale=rescale)
    return on_integers(space, model)
