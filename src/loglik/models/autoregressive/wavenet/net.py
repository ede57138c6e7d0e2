"""The net of WaveNet, in one pass over a sound and step by step with queues.

van den Oord et al. 2016, WaveNet: A Generative Model for Raw Audio, arXiv:1609.03499; the queues are those of Paine et
al. 2016, Fast WaveNet Generation Algorithm, arXiv:1611.09482.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.compiled.worth import worth_compiling
from loglik.models.autoregressive.wavenet import sampling
from loglik.models.autoregressive.wavenet.dilated import CausalConv1d
from loglik.nets.causal import CarryingNet, Draws, Steps


class WaveNetNet(CarryingNet):
    """(B, T, inputs), context (B, frames * C) -> (B, T, params).

        h_0 = W * x                                                  mask A, one tap
        z_l = tanh(W_f * h_l + V_f y) sigmoid(W_g * h_l + V_g y)     mask B, dilated
        h_{l+1} = h_l + R_l z_l
        params = W_2 relu(W_1 relu(sum_l S_l z_l))

    y is the context of the frame that a time step lies in: one frame is a context for the whole event, several are
    features that change with time, each for T / frames steps on end. The sum of the skips is one matrix product with
    all z_l side by side.

    Args:
        length: T, of an event. frames: of the context. context: its features in a frame, 0 without.
    """

    def __init__(
        self, inputs: int, params: int, *, length: int, dilations: Sequence[int], kernel: int, width: int, skip: int,
        context: int, frames: int, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.width, self.frames, self.hop = width, frames, length // frames
        self.first = CausalConv1d(inputs, width, 1, mask="A")
        self.gates = nn.ModuleList(CausalConv1d(width, 2 * width, kernel, mask="B", dilation=d) for d in dilations)
        self.context = nn.Linear(context, len(dilations) * 2 * width, bias=False) if context else None
        self.residuals = nn.ModuleList(nn.Linear(width, width) for _ in dilations[1:])  # nothing reads a last one
        self.dropout = nn.Dropout(dropout)
        self.skips = nn.Linear(len(dilations) * width, skip)
        self.top = nn.Linear(skip, skip)
        self.last = nn.Linear(skip, params)
        nn.init.zeros_(self.last.weight)
        # A value is read as one number near one, or as a single 1 among zeros: either way h_0 begins on the scale 1.
        nn.init.normal_(self.first.taps.weight)
        # 1 + (kernel - 1) times the sum of the dilations.
        self.receptive_field = sum(convolution.memory for convolution in self.convolutions)

    @property
    def convolutions(self) -> list[CausalConv1d]:
        return [self.first, *(gate for gate in self.gates if isinstance(gate, CausalConv1d))]

    def run(self, x: Tensor, state: Tensor | None, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The state (B, ...) holds what each convolution remembers: the last value, and every layer's queue."""
        pasts = self._split(state)
        length = x.shape[1]
        steer = self._steer(context)
        z: list[Tensor] = []
        preceded = self.first.preceded(x, pasts[0])
        kept = [preceded[:, length:]]
        h = self.first.outputs(preceded, length)
        for layer, gate in enumerate(self.convolutions[1:]):
            if layer:
                h = h + self.residuals[layer - 1](z[-1])
            preceded = gate.preceded(h, pasts[layer + 1])
            kept.append(preceded[:, length:])
            a = gate.outputs(preceded, length)
            if steer is not None:
                by_frame = a.reshape(len(a), self.frames, -1, a.shape[-1])
                a = (by_frame + steer[:, :, layer].unsqueeze(2)).reshape(a.shape)
            f, g = a.chunk(2, dim=-1)
            z.append(self.dropout(torch.tanh(f) * torch.sigmoid(g)))
        out = self.last(F.relu(self.top(F.relu(self.skips(torch.cat(z, dim=-1)))))).to(x.dtype)
        return out, torch.cat([part.flatten(1).to(x.dtype) for part in kept], dim=1)

    def start(self, outputs: Tensor) -> None:
        """One bias serves all time steps, so they begin at the mean of their outputs."""
        with torch.no_grad():
            self.last.bias.copy_(outputs.mean(0))

    def steps(self, n: int, context: Tensor | None = None) -> Steps:
        return Queues(self, n, self._steer(context))

    def _steer(self, context: Tensor | None) -> Tensor | None:
        """(B, frames, layers, 2 width): what the context adds before each gate."""
        if self.context is None or context is None:
            return None
        steer: Tensor = self.context(context.reshape(len(context), self.frames, -1))
        return steer.reshape(len(context), self.frames, len(self.gates), -1)

    def _split(self, state: Tensor | None) -> list[Tensor] | list[None]:
        """(B, memory, channels) of each convolution."""
        if state is None:
            return [None] * len(self.convolutions)
        channels = [self.first.taps.in_features, *[self.width] * len(self.gates)]
        shapes = [(c.memory, width) for c, width in zip(self.convolutions, channels, strict=True)]
        parts = torch.split(state, [memory * width for memory, width in shapes], dim=1)
        return [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]


class Queues(Steps):
    """Each layer keeps the inputs that its taps will want again: a time step costs O(layers), whatever the field.

    A queue is a ring of (kernel - 1) dilation slots; slot t modulo its length holds layer input h at the furthest tap
    of time t, and takes h_t once that is read. On a CPU, heads that draw by codes have a compiled loop (`run`).

    Args:
        steer: (n, frames, layers, 2 width) or None, see `WaveNetNet`.
    """

    def __init__(self, net: WaveNetNet, n: int, steer: Tensor | None) -> None:
        self.net, self.n, self.steer = net, n, steer
        self.time = 0
        weight = net.first.taps.weight
        self.blank = weight.new_zeros(n, net.first.taps.in_features)
        gates = net.convolutions[1:]
        self.rings = [[weight.new_zeros(n, net.width) for _ in range(gate.memory)] for gate in gates]

    @torch.no_grad()
    def __call__(self, previous: Tensor | None) -> Tensor:
        net = self.net
        z: list[Tensor] = []
        h = net.first.taps(self.blank if previous is None else previous)
        frame = min(self.time // net.hop, net.frames - 1)  # past the event's end the last one goes on
        for layer, (gate, ring) in enumerate(zip(net.convolutions[1:], self.rings, strict=True)):
            if layer:
                h = h + net.residuals[layer - 1](z[-1])
            seen = [ring[(self.time + j * gate.dilation) % len(ring)] for j in range(gate.kernel - 1)]
            a = gate.taps(torch.cat([*seen, h], dim=-1))
            if self.steer is not None:
                a = a + self.steer[:, frame, layer]
            ring[self.time % len(ring)] = h
            f, g = a.chunk(2, dim=-1)
            z.append(torch.tanh(f) * torch.sigmoid(g))
        self.time += 1
        return net.last(F.relu(net.top(F.relu(net.skips(torch.cat(z, dim=-1))))))  # type: ignore[no-any-return]

    @torch.no_grad()
    def run(self, draws: Draws, noise: Tensor, given: Tensor) -> Tensor:
        edges = sampling.edges_of(draws)
        if edges is None or self.time > 0 or not worth_compiling(self.blank, 1, 1):
            return super().run(draws, noise, given)
        self.time = len(noise)
        return sampling.generate(self._weights(draws, int(edges[-1])), edges, noise, given)

    def _weights(self, draws: Draws, levels: int) -> sampling.WaveNetArrays:
        net, gates, blank = self.net, self.net.convolutions[1:], self.blank
        steer = blank.new_zeros(self.n, 1, len(gates), 2 * net.width) if self.steer is None else self.steer
        square = blank.new_empty(0, net.width, net.width)
        return sampling.WaveNetArrays(
            entry=net.first.taps(draws.encode(torch.arange(levels), blank.dtype)),  # of every value there is
            blank=net.first.taps.bias,
            gates=torch.stack([gate.taps.weight.T for gate in gates]),
            steer=steer + torch.stack([gate.taps.bias for gate in gates]),
            residuals=torch.cat([square, *[_linear(layer).weight.T[None] for layer in net.residuals]]),
            residual_biases=torch.cat([square[:, 0], *[_linear(layer).bias[None] for layer in net.residuals]]),
            skips=net.skips.weight.T,
            skip_bias=net.skips.bias,
            top=net.top.weight.T,
            top_bias=net.top.bias,
            last=net.last.weight.T,
            last_bias=net.last.bias,
            dilations=torch.tensor([gate.dilation for gate in gates]),
            hop=net.hop,
        )


def _linear(layer: nn.Module) -> nn.Linear:
    assert isinstance(layer, nn.Linear)
    return layer
