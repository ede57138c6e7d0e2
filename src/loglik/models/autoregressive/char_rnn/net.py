"""Recurrent nets over a sequence of values: LSTM, GRU and plain tanh cells, whose state goes on from window to window.

Hochreiter & Schmidhuber 1997, Long Short-Term Memory; Cho et al. 2014, arXiv:1406.1078 (GRU); Karpathy 2015, The
Unreasonable Effectiveness of Recurrent Neural Networks (char-rnn).
"""

import math

import torch
from torch import Tensor, nn

from loglik.models.autoregressive.char_rnn.steps import RecurrentSteps
from loglik.nets.causal import CarryingNet, Steps

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
SPREAD = 0.5  # of what one input of size 1 adds to a gate: enough to be told from the others, far from saturation


class RecurrentNet(CarryingNet):
    """(B, *event, inputs) -> (B, *event, outputs), the values of an event in their flattened order:

        h_t = cell(x_{t-1}, h_{t-1}),  x_0 = 0,  h_0 = 0        outputs_t = W h_t + b

    `layers` cells are stacked, each reading the hidden states of the one below. The first reads the encoded value
    itself: a one-hot value picks its column of the input weights, so these are the embedding. Only encodings wider than
    the cells pass through an embedding of their own. A context adds to the gates of the first layer at every step.

    The state, (B, layers * width + inputs) and for an LSTM layers * width more, is h of every layer, c of every layer,
    and the last value as it was encoded.

    The forget gates start at sigmoid(1), so that an LSTM remembers before it has learned what (Gers et al. 2000); the
    recurrent weights of every gate start orthogonal (Saxe et al. 2014, arXiv:1312.6120).

    Args:
        dropout: of what a layer tells the next one and the outputs, never of what it tells itself.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        *,
        cell: str = "lstm",
        layers: int = 1,
        context: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.embedding = nn.Linear(inputs, width, bias=False) if inputs > width else None
        between = dropout if layers > 1 else 0.0
        self.cells = CELLS[cell](min(inputs, width) + context, width, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(width, outputs)
        self._reset(min(inputs, width))

    def run(self, x: Tensor, state: Tensor | None, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        values = x.flatten(1, -2)  # (B, T, inputs)
        h, before = self._unpacked(state, values)
        read = torch.cat([before.unsqueeze(1), values[:, :-1]], dim=1)
        if self.embedding is not None:
            read = self.embedding(read)
        if context is not None:
            read = torch.cat([read, context.unsqueeze(1).expand(-1, read.shape[1], -1).to(read.dtype)], dim=-1)
        hidden, h = self.cells(read, h)
        outputs: Tensor = self.last(self.dropout(hidden)).to(x.dtype)
        return outputs.reshape(*x.shape[:-1], -1), self._packed(h, values[:, -1])

    def start(self, outputs: Tensor) -> None:
        """One bias serves all values, so they begin at the mean of their outputs."""
        with torch.no_grad():
            self.last.weight.zero_()
            self.last.bias.copy_(outputs.flatten(0, -2).mean(0))

    def steps(self, n: int, context: Tensor | None = None) -> Steps:
        """Any number of them: the cells know no end."""
        return RecurrentSteps(self.cells, self.embedding, self.last, n, context)

    def _unpacked(self, state: Tensor | None, values: Tensor) -> tuple["Hidden | None", Tensor]:
        """The state as the cells take it, each part (layers, B, width), and the value before the first."""
        if state is None:
            return None, torch.zeros_like(values[:, 0])
        hidden, before = state[:, : -self.inputs], state[:, -self.inputs :]
        shape = (len(state), -1, self.cells.num_layers, self.cells.hidden_size)
        parts = hidden.reshape(shape).permute(1, 2, 0, 3).contiguous()
        return (parts[0], parts[1]) if len(parts) == 2 else parts[0], before.to(values.dtype)

    def _packed(self, h: "Hidden", last: Tensor) -> Tensor:
        parts = h if isinstance(h, tuple) else (h,)
        return torch.cat([*(part.transpose(0, 1).flatten(1).to(last.dtype) for part in parts), last], dim=1)

    @torch.no_grad()
    def _reset(self, values: int) -> None:
        """Weights and biases as the class says, for a first layer whose first `values` inputs are the value's."""
        width = self.cells.hidden_size
        for name, parameter in self.cells.named_parameters():
            if "bias" in name:
                parameter.zero_()
                if isinstance(self.cells, nn.LSTM) and "_ih" in name:
                    parameter[width : 2 * width] = 1.0  # the gates are in the order i, f, g, o
            elif "_hh" in name:
                for gate in parameter.chunk(len(parameter) // width):
                    gate.copy_(nn.init.orthogonal_(torch.empty_like(gate)))
            elif name.endswith("_l0"):
                parameter[:, :values].normal_(0.0, SPREAD)
                parameter[:, values:].normal_(0.0, SPREAD / math.sqrt(max(1, parameter.shape[1] - values)))


Hidden = Tensor | tuple[Tensor, Tensor]
