"""The spatial LSTM: a recurrent net in two dimensions, whose state at a pixel comes from the left and from above.

Theis, Bethge 2015, Generative Image Modeling Using Spatial LSTMs, arXiv:1506.03478, section 2.2; Graves, Fernandez,
Schmidhuber 2007, Multi-dimensional recurrent neural networks, arXiv:0705.2011.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        inputs = self.input(x.flatten(1, 2).transpose(0, 1)[order]).split(counts)  # of (pixels, B, 5 width)
        state = x.new_zeros(0, len(x), 2 * self.width)
        first, hidden = 0, []
        for d, projected in enumerate(inputs):
            # Rows first..first + count - 1 lie on this diagonal. With a row of zeros before and after the diagonal
            # before, each row finds its left neighbour in its own place there, and the one above in the place before.
            before, first = first, max(0, d - breadth + 1)
            padded = F.pad(state, (0, 0, 0, 0, 1, 1))
            left = padded.narrow(0, first - before + 1, len(projected))
            above = padded.narrow(0, first - before, len(projected))
            state = self.cell(projected, left, above)
            hidden.append(state[..., : self.width])
        return torch.cat(hidden)[back].transpose(0, 1).reshape(len(x), height, breadth, self.width)

    def cell(self, projected: Tensor, left: Tensor, above: Tensor) -> Tensor:
        """W_x x + b (..., 5 width) and the states [h, c] (..., 2 width) at the left and above -> the state here."""
        (h_left, c_left), (h_above, c_above) = left.chunk(2, -1), above.chunk(2, -1)
        seen = [left, above] if self.extended else [h_left, h_above]
        z = projected + self.recurrent(torch.cat(seen, -1))
        i, o, f_row, f_column = torch.sigmoid(z[..., self.width :]).chunk(4, -1)
        c = f_row * c_above + f_column * c_left + i * torch.tanh(z[..., : self.width])
        return torch.cat([torch.tanh(o * c), c], -1)


def diagonals(height: int, breadth: int, device: torch.device) -> tuple[Tensor, Tensor, list[int]]:
    """The flattened pixels diagonal by diagonal, each from its top row down; the way back; the pixels on each."""
    row, column = torch.arange(height, device=device)[:, None], torch.arange(breadth, device=device)
    order = ((row + column) * height + row).flatten().argsort()
    counts = [min(d, height - 1) - max(0, d - breadth + 1) + 1 for d in range(height + breadth - 1)]
    return order, order.argsort(), counts
