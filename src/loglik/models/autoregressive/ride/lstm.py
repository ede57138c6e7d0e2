"""The spatial LSTM: a recurrent net in two dimensions, whose state at a pixel comes from the left and from above.

Theis, Bethge 2015, Generative Image Modeling Using Spatial LSTMs, arXiv:1506.03478, section 2.2; Graves, Fernandez,
Schmidhuber 2007, Multi-dimensional recurrent neural networks, arXiv:0705.2011.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, Tensor]  # h and c

SPREAD = 0.08  # weights start as U(-0.08, 0.08), biases at 0, as in the authors' code (lucastheis/ride)


class SpatialLSTM(nn.Module):
    """(B, H, W, inputs) -> h (B, H, W, width); h_ij sees x at (k, l) with k <= i and l <= j, all of them.

        v = [x_ij, h_i,j-1, h_i-1,j]
        g = tanh(W_g v + b_g),   i, o, f^r, f^c = sigmoid(W v + b)
        c_ij = f^r c_i-1,j + f^c c_i,j-1 + i g,   h_ij = tanh(o c_ij),   h = c = 0 outside the image

    Not o tanh(c), as in other LSTMs: so it stands in the paper and in its code. With `extended`, v holds c_i,j-1 and
    c_i-1,j too. Pixels on one anti-diagonal i + j do not depend on each other, so one step serves them all, and an
    image takes H + W - 1 steps.
    """

    def __init__(self, inputs: int, width: int, *, extended: bool = False) -> None:
        super().__init__()
        self.width, self.extended = width, extended
        self.input = nn.Linear(inputs, 5 * width)
        self.recurrent = nn.Linear((4 if extended else 2) * width, 5 * width, bias=False)
        for weight in (self.input.weight, self.recurrent.weight):
            nn.init.uniform_(weight, -SPREAD, SPREAD)
        nn.init.zeros_(self.input.bias)

    def forward(self, x: Tensor) -> Tensor:
        height, breadth = x.shape[1:3]
        order, back, counts = diagonals(height, breadth, x.device)
        pixels = x.flatten(1, 2).transpose(0, 1).index_select(0, order)
        h = c = x.new_zeros(0, len(x), self.width)
        first, hidden = 0, []
        for d, projected in enumerate(self.input(pixels).split(counts)):
            # Rows first..first + count - 1 lie on this diagonal. With a row of zeros before and after the diagonal
            # before, each row finds its left neighbour in its own place there, and the one above in the place before.
            before, first = first, max(0, d - breadth + 1)
            h, c = F.pad(h, (0, 0, 0, 0, 1, 1)), F.pad(c, (0, 0, 0, 0, 1, 1))
            above, left = (slice(at, at + len(projected)) for at in (first - before, first - before + 1))
            h, c = self.cell(projected, (h[left], c[left]), (h[above], c[above]))
            hidden.append(h)
        return torch.cat(hidden).index_select(0, back).transpose(0, 1).reshape(len(x), height, breadth, self.width)

    def cell(self, projected: Tensor, left: State, above: State) -> State:
        """W_x x + b (..., 5 width), the states to the left and above -> h, c here, each (..., width)."""
        seen = [*left, *above] if self.extended else [left[0], above[0]]
        z = projected + self.recurrent(torch.cat(seen, -1))
        g, gates = z.split([self.width, 4 * self.width], -1)
        i, o, f_row, f_column = torch.sigmoid(gates).chunk(4, -1)
        c = f_row * above[1] + f_column * left[1] + i * torch.tanh(g)
        return torch.tanh(o * c), c


def diagonals(height: int, breadth: int, device: torch.device) -> tuple[Tensor, Tensor, list[int]]:
    """The flattened pixels diagonal by diagonal, each from its top row down; the way back; the pixels on each."""
    row, column = torch.arange(height, device=device)[:, None], torch.arange(breadth, device=device)
    order = ((row + column) * height + row).flatten().argsort()
    counts = [min(d, height - 1) - max(0, d - breadth + 1) + 1 for d in range(height + breadth - 1)]
    return order, order.argsort(), counts
