"""Colours: red, green and blue as brightness and two differences of colour."""

import torch
from torch import Tensor

from loglik.contract import Bijection
from loglik.ops import with_numbers

KR, KG = 0.2989, 0.5870  # how red and green count in the brightness; blue counts for the rest


class YCbCr(Bijection):
    """Y = Kr R + Kg G + Kb B,  Cb = (B - Y) / (2 (1 - Kb)),  Cr = (R - Y) / (2 (1 - Kr)), for images (B, 3, H, W).

    Linear, without offset or rounding: log|det| = H W log|det T|. ITU-R BT.601. The matrix in the code of RIDE
    (lucastheis/ride, colorride.py) divides green in Cr by 1 - Kb where 1 - Kr belongs, so grey is not colourless there.
    """

    def __init__(self) -> None:
        super().__init__()
        kb = 1.0 - KR - KG
        device = with_numbers()
        y = torch.tensor([KR, KG, kb], dtype=torch.float64, device=device)
        red, _, blue = torch.eye(3, dtype=torch.float64, device=device)
        matrix = torch.stack([y, (blue - y) / (2.0 * (1.0 - kb)), (red - y) / (2.0 * (1.0 - KR))])
        self.log_det = float(torch.linalg.slogdet(matrix).logabsdet)
        self.register_buffer("matrix", matrix, persistent=False)
        self.register_buffer("back", torch.linalg.inv(matrix), persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._apply_to(x, self.matrix), self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._apply_to(z, self.back), -self._log_det(z)

    def _apply_to(self, x: Tensor, matrix: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return torch.einsum("ij,bjhw->bihw", matrix.to(x.dtype), x)

    def _log_det(self, x: Tensor) -> Tensor:
        return x.new_full((len(x),), self.log_det * x.shape[-2] * x.shape[-1])

    matrix: Tensor
    back: Tensor
