"""Mistakes that people make, as models: each breaks one law, and the law must say so.

Most are known from published code: see the comments. A mutation is made from a sound model by changing what is wrong
and nothing else.
"""

import math
from collections.abc import Callable
from typing import Any

import broken
import torch
from torch import Tensor, nn

from cases import BINARY, LABEL_CONTEXT, LABELS, LEVELS, RGB, Case, data
from loglik.bijections.coupling import AffineCoupling
from loglik.bijections.elementwise import Gaussianize, Logit, Standardize
from loglik.contract import Bijection, Claim, Model
from loglik.densities import StandardNormal
from loglik.heads.logistic import ColourLogisticHead, logistic_log_mass, scaled
from loglik.heads.mcgsm import MCGSMHead
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.ensemble import MaskEnsemble
from loglik.models.autoregressive.wavenet_net import WaveNetNet
from loglik.models.baselines.gaussian import Gaussian
from loglik.models.dequantized import Dequantized
from loglik.models.flows.flow import Flow
from loglik.models.latent.vae import VAE
from loglik.nets.causal_whitening import CausalWhitening
from loglik.nets.convolutional import MaskedConv2d
from loglik.nets.diagonal_lstm import DiagonalBiLSTM
from loglik.nets.dilated import CausalConv1d
from loglik.nets.masked import MaskedLinear
from loglik.nets.recurrent import RecurrentNet
from loglik.nets.row_lstm import RowLSTM
from loglik.nets.shifted import ShiftedConv
from loglik.nets.spatial_lstm import SpatialLSTM
from loglik.nets.two_streams import TwoStreams
from loglik.ops import sum_event
from loglik.spaces import Integer, Real, Space

PLANE = broken.PLANE


def mutated(case: Case, part: type[nn.Module], **methods: Any) -> Model:
    """The model of a case with some methods of one kind of part replaced, each called with the part and its own."""
    model = case.model()
    for module in model.modules():
        if isinstance(module, part):
            for name, method in methods.items():
                # A class, not an attribute of the instance: copies of the model must carry the mutation.
                override(module, name, method)
    return model


def override(module: nn.Module, name: str, method: Callable[..., Any]) -> None:
    sound = getattr(type(module), name)
    module.__class__ = type(
        type(module).__name__, (type(module),), {name: lambda self, *args, **kw: method(self, sound, *args, **kw)}
    )


MADE = Case("made", BINARY, {"hidden": (12, 12)})
MADE_MASKS = Case("made", BINARY, {"hidden": (12, 12), "masks": 3, "order": "agnostic"})
MADE_LABELS = Case("made", LABELS, {"hidden": (12,)}, LABEL_CONTEXT)
PIXELCNN = Case("pixelcnn", BINARY, {"width": 4, "layers": 1})
GATED = Case("gated-pixelcnn", BINARY, {"width": 4, "layers": 2, "kernel": 3})
GATED_RGB = Case("gated-pixelcnn", Integer((3, 2, 1), 3), {"width": 12, "layers": 2, "kernel": 3})
PIXELCNN_RGB = Case("pixelcnn", RGB, {"width": 6, "layers": 1})
ROW_LSTM = Case("row-lstm", BINARY, {"width": 4, "layers": 1})
DIAGONAL = Case("diagonal-bilstm", BINARY, {"width": 4, "layers": 1})
RIDE = Case("ride", Real((2, 3)), {"width": 4, "components": 3, "scales": 2, "features": 4})
RIDE_PLANE = Case("ride", Real((1, 2)), {"width": 4, "components": 3, "scales": 2, "features": 4})
TWO_STREAMS = Case("pixelcnn++", BINARY, {"width": 4, "layers": 1, "components": 2})
FLOW = Case("realnvp", PLANE, {"hidden": (8,), "layers": 3})
FLOW_GIVEN = Case("realnvp", PLANE, {"hidden": (8,), "layers": 3}, LABEL_CONTEXT)
VAE_CASE = Case("vae", LABELS, {"hidden": (8,), "latents": 2})
LOOSE_VAE = Case("vae", BINARY, {"hidden": (8,), "latents": 2})
GAUSSIAN = Case("gaussian", PLANE)
HISTOGRAM = Case("histogram", LABELS)
PPCA = Case("ppca", Real((3,)), {"latents": 1, "em": True})
GMM = Case("gmm", PLANE, {"components": 3})


# Causality.


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


def outputs_see_their_own_input() -> Model:
    """MADE with >= at the outputs, where > belongs."""
    model = MADE.model()
    assert isinstance(model, Autoregressive)
    degrees = torch.arange(12) * 8 // 12 + 1
    model.net.masks[-1].copy_(torch.arange(1, 10)[:, None] >= degrees[None, :])
    return model


def masked_once() -> Model:
    """The mask multiplies the weights at the start alone; the first step of training un-masks them."""

    def unmasked(layer: MaskedLinear, sound: Any, x: Tensor, mask: Tensor, onto: Tensor | float = 0.0) -> Tensor:
        return nn.functional.linear(x, layer.weight, layer.bias) + onto

    model = mutated(MADE, MaskedLinear, forward=unmasked)
    with torch.no_grad():
        weights = model.net.weights
        for layer, mask in zip([*weights.hidden, weights.direct, weights.last], model.net.masks, strict=True):
            layer.weight.mul_(mask)
    return model


def wrong_order() -> Model:
    """The net is causal in one order, and the model samples in another."""
    model = MADE.model()
    assert isinstance(model, Autoregressive)
    model.order.copy_(model.order.flip(0))
    return model


def averaged_logits() -> Model:
    """Outputs of the members are averaged where their probabilities belong: karpathy/pytorch-made does this."""

    def log_prob(self: MaskEnsemble, sound: Any, x: Tensor, context: Tensor | None = None) -> Tensor:
        logits = torch.stack([member.conditionals(x, context) for member in self.members]).mean(0)
        return sum_event(self.member(0).head.log_prob(logits, x))

    model = mutated(MADE_MASKS, MaskEnsemble, log_prob=log_prob)
    assert isinstance(model, MaskEnsemble)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def one_member_only() -> Model:
    """Trained with several masks and sampled from the first alone."""

    def sample(self: MaskEnsemble, sound: Any, n: int, context: Tensor | None = None) -> Tensor:
        return self.member(0).sample(n, context)

    model = mutated(MADE_MASKS, MaskEnsemble, sample=sample)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.7 * torch.randn_like(parameter))
    return model


def sees_nothing() -> Model:
    """All masks closed: sound as a density, and useless."""
    model = MADE.model()
    for mask in model.net.masks:
        mask.zero_()
    return model


CHAR_RNN = Case("char-rnn", LABELS, {"width": 6})
WAVENET = Case("wavenet", LABELS, {"width": 4, "skip": 8, "layers": 2})


def own_value_in_first_layer() -> Model:
    """The target is not shifted against the input: x_t is predicted from x_t."""
    model = WAVENET.model()
    assert isinstance(model, Autoregressive)
    model.net.first.memory = 0
    return model


def symmetric_padding() -> Model:
    """As many zeros after a sound as before it, so half of a kernel looks ahead."""

    def preceded(layer: CausalConv1d, sound: Any, x: Tensor, past: Tensor | None = None) -> Tensor:
        return nn.functional.pad(x, (0, 0, layer.memory - layer.memory // 2, layer.memory // 2))

    model = mutated(WAVENET, CausalConv1d, preceded=preceded)
    assert isinstance(model, Autoregressive)
    model.net.first.__class__ = CausalConv1d
    return model


def queue_off_by_one() -> Model:
    """Queues that are one slot longer than the dilation: the furthest tap is a step late."""

    def steps(net: WaveNetNet, sound: Any, n: int, context: Tensor | None = None) -> Any:
        queues = sound(net, n, context)
        queues.rings = [[*ring, torch.zeros_like(ring[0])] for ring in queues.rings]
        return queues

    return mutated(WAVENET, WaveNetNet, steps=steps)


def symbol_before_it_is_drawn() -> Model:
    """Inputs and targets of a char-rnn are not shifted against each other."""

    def run(net: RecurrentNet, sound: Any, x: Tensor, state: Tensor | None, context: Tensor | None = None) -> Any:
        return sound(net, x.roll(-1, dims=1), state, context)

    return mutated(CHAR_RNN, RecurrentNet, run=run)


def gates_in_another_order() -> Model:
    """The sampler takes the gates i f g o for i f o g, as weights from another library have them."""

    def steps(net: RecurrentNet, sound: Any, n: int, context: Tensor | None = None) -> Any:
        walk = sound(net, n, context)
        layer = walk.layers[0]
        layer.o, layer.g = layer.g, layer.o
        return walk

    return mutated(CHAR_RNN, RecurrentNet, steps=steps)


def gradients_through_all_windows() -> Model:
    """The carried state is not detached, so every step of training would reach back to the first window."""

    def carry(model: Autoregressive, sound: Any, x: Tensor, state: Tensor | None, context: Tensor | None = None) -> Any:
        params, state = model.net.run(model.head.encode(x, model.dtype), state)
        return sum_event(model.head.log_prob(params, x)), state

    return mutated(CHAR_RNN, Autoregressive, log_likelihood_from=carry)


def state_of_another_stream() -> Model:
    """Rows are shuffled between two windows, and the states are not."""

    def run(net: RecurrentNet, sound: Any, x: Tensor, state: Tensor | None, context: Tensor | None = None) -> Any:
        return sound(net, x, None if state is None else state.roll(1, dims=0), context)

    return mutated(CHAR_RNN, RecurrentNet, run=run)


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


# Change of variables.


def flipped_log_det() -> Model:
    def forward(self: Bijection, sound: Any, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = sound(self, x, context)
        return z, -log_det

    return mutated(FLOW, AffineCoupling, forward=forward)


def without_log_det(sound: Any, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    z, log_det = sound(x, context)
    return z, torch.zeros_like(log_det)


class Forgetful(Bijection):
    """A bijection whose log-determinant was forgotten, in both directions."""

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return without_log_det(self.bijection, x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return without_log_det(self.bijection.inverse, z, context)


def forgotten_standardize() -> Model:
    scale = Standardize((2,))
    scale.scale.fill_(3.0)
    return Flow(PLANE, Forgetful(scale), StandardNormal(PLANE))


def forgotten_logit() -> Model:
    return Dequantized(LEVELS, Flow(PLANE, Forgetful(Logit(0.0, 3.0)), StandardNormal(PLANE)))


def forgotten_gaussianize() -> Model:
    return Dequantized(LEVELS, Flow(PLANE, Forgetful(Gaussianize(LEVELS)), StandardNormal(PLANE)))


def forgotten_whitening() -> Model:
    """RIDE without log|det L|: the density of the whitened pixels, not of the pixels."""

    def log_prob(head: MCGSMHead, sound: Any, params: Tensor, x: Tensor) -> Tensor:
        _, _, L = head.read(params)
        log_p: Tensor = sound(head, params, x) - L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return log_p

    return mutated(RIDE_PLANE, MCGSMHead, log_prob=log_prob)


def one_sided_coupling() -> Model:
    """The inverse steers by z where it should steer by the part that passed."""

    def inverse(self: AffineCoupling, sound: Any, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, log_det = sound(self, z, context)
        return x + 1e-6 * self.mask, log_det

    return mutated(FLOW, AffineCoupling, inverse=inverse)


# Mass, claims and bounds.


def unnormalised_histogram() -> Model:
    model = broken.Unnormalised(LABELS, 0.1)
    x = torch.randint(3, (50, 3))
    model.maximize(model.expect(x))
    return model


def exact_by_claim() -> Model:
    model = VAE_CASE.model()
    model.__class__ = type("VAE", (VAE,), {"claim": property(lambda self: Claim.EXACT)})
    return model


def with_terms(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Model:
    def elbo_terms(self: VAE, sound: Any, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        return change(sound(self, x, context))

    return mutated(VAE_CASE, VAE, elbo_terms=elbo_terms)


def with_bound(bound: Callable[[Tensor], Tensor]) -> Model:
    """A VAE whose K-sample bound joins the log weights (B, K) in another way."""

    def joined(self: VAE, sound: Any, x: Tensor, context: Tensor | None = None, *, samples: int = 1) -> Tensor:
        return bound(torch.stack([self.log_likelihood(x, context) for _ in range(samples)], dim=1))

    return mutated(LOOSE_VAE, VAE, bound=joined)


# Samplers.


def wider_sampler() -> Model:
    def sample(self: Gaussian, sound: Any, n: int, context: Tensor | None = None) -> Tensor:
        return self.mean + 1.1 * (sound(self, n, context) - self.mean)

    return mutated(GAUSSIAN, Gaussian, sample=sample)


def sampler_of_the_likeliest() -> Model:
    """argmax in place of a draw."""
    model = MADE.model()
    assert isinstance(model, Autoregressive)
    override(model.head, "sample", lambda head, sound, params, noise=None: (params.squeeze(-1) > 0).long())
    model.head.drawing = None  # loops that are compiled would ask no head
    return model


def independent_sampler() -> Model:
    """The right marginals without their dependence."""

    def sample(self: Model, sound: Any, n: int, context: Tensor | None = None) -> Tensor:
        x = sound(self, n, context)
        return torch.stack([column[torch.randperm(n)] for column in x.unbind(1)], dim=1)

    return mutated(GMM, type(GMM.model()), sample=sample)


def shrunken_latents() -> Model:
    """Samples from the decoder at z = 0."""

    def sample(self: VAE, sound: Any, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return self.head.sample(self._decode(torch.zeros(n, self.latents, dtype=self.dtype), context))

    return mutated(VAE_CASE, VAE, sample=sample)


def fitted(model: Any, space: Space) -> Model:
    """Initialised and after one pass of EM on the cases' data."""
    x = data(space)
    model.initialize(x)
    model.maximize(model.expect(x))
    assert isinstance(model, Model)
    return model
