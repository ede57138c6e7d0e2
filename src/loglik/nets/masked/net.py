"""A masked autoencoder net: outputs for x_i see only values earlier in the order.

Germain, Gregor, Murray, Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation, arXiv:1502.03509.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.nets.causal import CausalNet
from loglik.nets.dense.mlp import MANY
from loglik.nets.dense.quarters import Quarters
from loglik.nets.dense.relu_pass import Layers, reference
from loglik.nets.masked.degrees import Degrees
from loglik.nets.masked.steps import MaskedSteps
from loglik.nets.masked.units import Connected, sites


class MaskedLinear(nn.Module):
    """(W * M) x + b, with a mask M (out, in) that comes with every call; so it holds after every step of an optimiser.

    With conditioning weights U it is (W * M) x + (U * M) 1 + b: a unit can tell an input that is 0 from one it may not
    see (section 4.3 of the paper). One mask makes U a part of b; several are told apart by it.

    Args:
        fan_in: inputs that a mask lets through, one number or one for each output (out,). Masked weights carry no
            signal, so weights start with the variance 1 / fan_in.
    """

    def __init__(
        self, inputs: int, outputs: int, fan_in: Tensor | float, *, bias: bool = True, conditioning: bool = False
    ) -> None:
        super().__init__()
        width = torch.as_tensor(fan_in).clamp(min=1).to(torch.get_default_dtype())
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / width.sqrt().reshape(-1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.conditioning = nn.Parameter(torch.zeros(outputs, inputs)) if conditioning else None

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, in) -> (B, out)"""
        return F.linear(x, self.weight * mask, self.bias_under(mask))

    def under(self, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The weights before masking, and the biases."""
        return self.weight, self.bias_under(mask)

    def bias_under(self, mask: Tensor | None) -> Tensor | None:
        """(out,): b + (U * M) 1; the mask matters only with conditioning weights."""
        if self.conditioning is None or mask is None:
            return self.bias
        seen = (self.conditioning * mask).sum(1)
        return seen if self.bias is None else self.bias + seen


class MaskedWeights(nn.Module):
    """The weights of a masked net, without the masks; several members of an ensemble may share them.

    Outputs begin at 0 but for their biases: `last` and `direct` have zero weights.

    Args:
        degrees: of all members that will share the weights; what their masks let through scales the weights' start.
        direct: whether outputs see earlier values directly besides; without hidden layers they always do.
        apart: the layout of the outputs in memory, which never changes their values. True: (B, outputs, D), or
            (outputs, D, B) where a value has many outputs; operations on one output of all values are then fast.
            False: (B, D, outputs), the outputs of a value side by side.
    """

    def __init__(
        self,
        degrees: Sequence[Degrees],
        inputs: int,
        outputs: int,
        *,
        context: int = 0,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        conditioning: bool = False,
        direct: bool = True,
        apart: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs, self.apart, self.conditioning = inputs, outputs, apart, conditioning
        *masks, onward, last = self.masks(degrees[0])
        hiddens: list[nn.Module] = []
        for i, (out, below) in enumerate(mask.shape for mask in masks):
            fan_in = torch.stack([self.masks(own)[i].sum(1) for own in degrees]).float().mean(0)
            hiddens.append(MaskedLinear(below, out, fan_in, conditioning=conditioning))
        self.hidden = nn.ModuleList(hiddens)
        self.direct = self.last = None
        if direct or not hiddens:
            self.direct = MaskedLinear(onward.shape[1], len(onward), 1.0, conditioning=conditioning)
        if hiddens:
            bias = self.direct is None  # else it is that of `direct`
            self.last = MaskedLinear(last.shape[1], len(last), 1.0, bias=bias, conditioning=conditioning)
        for layer in (self.direct, self.last):
            if layer is not None:
                nn.init.zeros_(layer.weight)
        self.input_dropout, self.dropout = nn.Dropout(input_dropout), nn.Dropout(dropout)
        self.context_in = nn.Linear(context, len(masks[0]), bias=False) if context and hiddens else None
        self.context_out = nn.Linear(context, len(onward), bias=False) if context else None

    def masks(self, degrees: Degrees) -> list[Tensor]:
        """Those of `degrees`, with the outputs in the order of these weights."""
        return degrees.masks(self.inputs, self.outputs, apart=self.apart)

    @property
    def hidden_layers(self) -> list[MaskedLinear]:
        return [layer for layer in self.hidden if isinstance(layer, MaskedLinear)]

    @property
    def out_bias(self) -> nn.Parameter:
        """(D * outputs,): the biases of the outputs."""
        layer = self.last if self.direct is None else self.direct
        assert layer is not None
        assert layer.bias is not None
        return layer.bias

    def outputs_under(
        self, x: Tensor, masks: Sequence[Tensor], quarters: Quarters, context: Tensor | None, *, drop: bool
    ) -> Tensor:
        """(B, D * inputs), the masks of the hidden layers, of `direct` and of `last` -> (B, D * outputs).

        drop: whether there is dropout in training.
        """
        layers = self.layers_under(masks, quarters, context)
        drop = drop and self.dropping
        one_product = len(layers.weights) == 2  # whose gradients torch has for less than an operation of our own costs
        if not drop and not one_product and not torch.compiler.is_compiling():
            return layers(x)
        seen, dropout = (self.input_dropout(x), self.dropout) if drop else (x, None)
        return reference(layers, seen, layers.onto, layers.onto_out, *layers.weights, dropout=dropout)

    @property
    def dropping(self) -> bool:
        return self.training and (self.dropout.p > 0 or self.input_dropout.p > 0)

    def layers_under(self, masks: Sequence[Tensor], quarters: Quarters, context: Tensor | None) -> Layers:
        """The net under these masks, as one pass reads it."""
        *of_hidden, of_direct, of_last = masks
        weights: list[Tensor] = []
        for layer, mask in zip(self.hidden_layers, of_hidden, strict=True):
            bias = layer.bias_under(mask)
            assert bias is not None
            weights += (layer.weight, bias)
        outer = [(layer, mask) for layer, mask in ((self.last, of_last), (self.direct, of_direct)) if layer is not None]
        biases = [bias for layer, mask in outer if (bias := layer.bias_under(mask)) is not None]
        weights += [outer[0][0].weight, biases[0] if len(biases) == 1 else biases[0] + biases[1]]
        weights += [layer.weight for layer, _ in outer[1:]]
        onto, turned = self._onto(context), self.apart and self.outputs >= MANY
        return Layers(weights, [*of_hidden, *(mask for _, mask in outer)], *onto, turned, quarters)

    def _onto(self, context: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """What a context adds in the first hidden layer (B, H), and to the outputs (B, D * outputs)."""
        if context is None or self.context_out is None:
            return None, None
        return None if self.context_in is None else self.context_in(context), self.context_out(context)


class MaskedMLP(CausalNet):
    """(B, *event, inputs) -> (B, *event, outputs): output i depends on exactly the inputs earlier than i in the order.

    Degrees say which connections there are (see `degrees`); masks follow from them.

        hidden <- hidden    1[m(k) >= m(k')]
        output <- hidden    1[m0(d) > m(k)]
        output <- input     1[m0(d) > m0(d')]      (direct connections)

    A context reaches the first hidden layer and the outputs without a mask.

    Args:
        shared: the weights belong to somebody else, an ensemble: they are used here, and are no part of this module.
            A net of its own weights keeps its masks in memory; one of many computes them in every pass.
    """

    alike = 0

    def __init__(self, weights: MaskedWeights, degrees: Degrees, *, shared: bool = False) -> None:
        super().__init__()
        self.degrees = degrees
        self.own = None if shared else weights
        self.quarters = () if shared else degrees.quarters()
        self._weights = (weights,)  # a tuple, so that torch sees no module in it
        if not shared:
            for i, mask in enumerate(weights.masks(degrees)):
                self.register_buffer(f"mask_{i}", mask.to(weights.out_bias.dtype), persistent=False)
            self.register_load_state_dict_post_hook(_renew_masks)

    @property
    def weights(self) -> MaskedWeights:
        return self._weights[0]

    @property
    def saved_order(self) -> Tensor:
        return self.degrees.order

    @property
    def masks(self) -> list[Tensor]:
        """Of the hidden layers, from the inputs up, of the direct connections, and of the last layer."""
        if self.own is None:
            return self.weights.masks(self.degrees)
        return [*self._buffers.values()]  # type: ignore[list-item]

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.of_flat(x.flatten(1), context).reshape(*x.shape[:-1], self.weights.outputs)

    def of_flat(self, x: Tensor, context: Tensor | None = None, *, drop: bool = True) -> Tensor:
        """(B, D * inputs) -> (B, D, outputs). drop: whether there is dropout in training; steps know none."""
        weights = self.weights
        out = weights.outputs_under(x, self.masks, self.quarters, context, drop=drop).to(x.dtype)
        return out.view(len(x), weights.outputs, -1).mT if weights.apart else out.view(len(x), -1, weights.outputs)

    def layers(self, context: Tensor | None) -> Layers | None:
        """The net for one fast pass; None with dropout in training, and under torch.compile."""
        plain = self.weights.dropping or torch.compiler.is_compiling()
        return None if plain else self.weights.layers_under(self.masks, self.quarters, context)

    def start(self, outputs: Tensor) -> None:
        with torch.no_grad():
            self.weights.out_bias.copy_((outputs.movedim(-1, 0) if self.weights.apart else outputs).flatten())

    def rearranged(self, order: Tensor) -> "MaskedMLP":
        """The same weights and hidden degrees under another order of the values; it shares, and owns nothing."""
        return MaskedMLP(self.weights, self.degrees.rearranged(order), shared=True)

    def steps(self, n: int, context: Tensor | None = None) -> MaskedSteps:
        return MaskedSteps(self.connected(), n, context)

    def connected(self) -> Connected:
        """The layers as numbers, for evaluation unit by unit."""
        weights = self.weights
        masks = self.masks if weights.conditioning else [None] * (self.degrees.depth + 2)
        *of_hidden, of_direct, of_last = masks
        hidden = [layer.under(mask) for layer, mask in zip(weights.hidden_layers, of_hidden, strict=True)]
        direct = None if weights.direct is None else weights.direct.under(of_direct)
        last = None if weights.last is None else weights.last.under(of_last)
        context_in = None if weights.context_in is None else weights.context_in.weight
        context_out = None if weights.context_out is None else weights.context_out.weight
        asked = sites(self.degrees.order, weights.outputs, apart=weights.apart)
        return Connected(
            self.degrees, weights.inputs, weights.outputs, asked, hidden, direct, last, context_in, context_out
        )


def _renew_masks(net: MaskedMLP, _: object) -> None:
    """After loading, masks follow from the degrees that were read."""
    for mask, new in zip(net.masks, net.weights.masks(net.degrees), strict=True):
        mask.copy_(new)
    net.quarters = net.degrees.quarters()


def masked_net(
    degrees: Degrees, outputs: int, *, context: int = 0, dropout: float = 0.0, direct: bool = False
) -> MaskedMLP:
    """A net of its own for one set of degrees that reads values as they are, for what is steered value by value."""
    weights = MaskedWeights([degrees], 1, outputs, context=context, dropout=dropout, direct=direct, apart=True)
    return MaskedMLP(weights, degrees)
