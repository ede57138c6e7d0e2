"""Row LSTM: a PixelRNN whose states sweep over the image row by row.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759.
"""

from loglik.arguments.ranges import Count, Few, Layers, Share
from loglik.contract import ExactModel
from loglik.models.autoregressive.pixelrnn import pixel_rnn
from loglik.nets.row_lstm import RowLSTM
from loglik.spaces import Space


def row_lstm(
    space: Space,
    *,
    layers: Layers = 3,
    width: Count | None = None,
    kernel: Few = 7,
    dropout: Share = 0.0,
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """`layers` Row LSTMs of `width` states (h in the paper; twice that between them), for images (H, W) or (C, H, W).

    `width` must be a multiple of C and defaults to 16, or 24 in colour; `kernel` is the first convolution's. The head
    is called by name, or follows from the space. Reals are standardised inside the model.
    """
    return pixel_rnn("row-lstm", RowLSTM, space, layers, width, kernel, dropout, head, components, context)
