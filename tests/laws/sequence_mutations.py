"""Mistakes in autoregressive models of vectors and sequences: masks, orders, ensembles, states and queues."""

from typing import Any

import torch
from mutating import mutated
from torch import Tensor, nn

from cases import BINARY, LABELS, Case
from loglik.contract import Model
from loglik.heads import MuLawHead
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.char_rnn.net import RecurrentNet
from loglik.models.autoregressive.made.ensemble import MaskEnsemble
from loglik.models.autoregressive.wavenet.dilated import CausalConv1d
from loglik.models.autoregressive.wavenet.net import WaveNetNet
from loglik.nets.masked.net import MaskedMLP
from loglik.ops import sum_event
from loglik.spaces import Integer

MADE = Case("made", BINARY, {"hidden": (12, 12)})
COMPANDED = Case("wavenet", Integer((2,), 100), {"width": 4, "skip": 8, "head": "mu-law"})
MADE_MASKS = Case("made", BINARY, {"hidden": (12, 12), "masks": 3, "order": "agnostic"})


def outputs_see_their_own_input() -> Model:
    """MADE with >= at the outputs, where > belongs."""
    model = MADE.model()
    assert isinstance(model, Autoregressive)
    degrees = torch.arange(12) * 8 // 12 + 1
    model.net.masks[-1].copy_(torch.arange(1, 10)[:, None] >= degrees[None, :])
    return model


def masked_once() -> Model:
    """The mask multiplies the weights at the start alone; the first step of training un-masks them."""
    model = MADE.model()
    assert isinstance(model, Autoregressive)
    net = model.net
    assert isinstance(net, MaskedMLP)
    weights = net.weights
    with torch.no_grad():
        for layer, mask in zip([*weights.hidden, weights.direct, weights.last], net.masks, strict=True):
            layer.weight.mul_(mask)
            mask.fill_(1.0)
    return model


def wrong_order() -> Model:
    """The net is causal in one order, and the model samples in another."""
    model = MADE.model()
    assert isinstance(model, Autoregressive)
    model.order.copy_(model.order.flip(0))
    return model


def temperature_ignored() -> Model:
    def sample(self: Autoregressive, sound: Any, n: int, context: Tensor | None = None, **guidance: Any) -> Tensor:
        drawn: Tensor = sound(self, n, context, **(guidance | {"temperature": 1.0}))
        return drawn

    return mutated(MADE, Autoregressive, sample_guided=sample)


def one_level_too_many() -> Model:
    """Top k draws from the k + 1 likeliest."""

    def sample(self: Autoregressive, sound: Any, n: int, context: Tensor | None = None, **guidance: Any) -> Tensor:
        k = guidance.pop("top_k", None)
        drawn: Tensor = sound(self, n, context, **guidance, top_k=None if k is None else k + 1)
        return drawn

    return mutated(MADE, Autoregressive, sample_guided=sample)


def codes_sharpened() -> Model:
    """p(code)^(1/T), where it is levels that are drawn: published samplers of WaveNet do this."""

    def draw(self: MuLawHead, sound: Any, params: Tensor, noise: Tensor, T: float, k: int | None) -> Tensor:
        code = self.codes.draw_sharpened(params, noise[..., :1], T, k)
        return self._place(code, self.edges.diff()[code], noise)

    return mutated(COMPANDED, MuLawHead, draw_sharpened=draw)


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
