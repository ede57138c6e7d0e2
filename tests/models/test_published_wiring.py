"""Nets against their papers: torch's own transformer, and the wiring of PixelCNN++ as its authors wrote it down."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.models.autoregressive.pixelcnnpp.net import TwoStreams
from loglik.models.autoregressive.pixelcnnpp.regions import Whole
from loglik.models.autoregressive.transformer.net import Block

pytestmark = pytest.mark.usefixtures("float64")


def test_a_block_is_torchs_layer_of_a_transformer() -> None:
    """With the norm before each part, GPT-2's GELU, and a mask that hides what comes later."""

    def gelu(x: Tensor) -> Tensor:
        return F.gelu(x, approximate="tanh")

    width, heads, length = 12, 3, 5
    own = Block(width, heads, layers=1, dropout=0.0)
    for parameter in own.parameters():
        nn.init.normal_(parameter)
    torchs = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, gelu, batch_first=True, norm_first=True)
    pairs = {
        torchs.self_attn.in_proj_weight: own.query_key_value.weight,
        torchs.self_attn.in_proj_bias: own.query_key_value.bias,
    }
    modules = [(torchs.self_attn.out_proj, own.mix), (torchs.linear1, own.up), (torchs.linear2, own.down)]
    for theirs, ours in [*modules, (torchs.norm1, own.norm_attention), (torchs.norm2, own.norm_mlp)]:
        pairs |= {theirs.weight: ours.weight, theirs.bias: ours.bias}
    with torch.no_grad():
        for theirs, ours in pairs.items():
            theirs.copy_(ours)
    h = torch.randn(2, length, width)
    later = nn.Transformer.generate_square_subsequent_mask(length)
    torch.testing.assert_close(own(h), torchs(h, src_mask=later))


def test_blocks_on_the_way_up_read_those_on_the_way_down_last_to_first() -> None:
    """As in openai/pixel-cnn, model.py: what the way down appends to a list, the way up pops."""
    net = TwoStreams(4, 2, 3, width=4, layers=3, resolutions=1, context=0, dropout=0.0)
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    x, region = torch.randn(2, 5, 4, 2), Whole(None)
    down, right = (F.pad(part, (0, 1), value=1.0) for part in net.shifted(x))
    u_list = [net.first_upper(down)]
    ul_list = [net.first_above(down) + net.first_left(right)]
    for upper, left in zip(net.upper.down, net.left.down, strict=True):
        u_list.append(upper(u_list[-1], None, region))
        ul_list.append(left(ul_list[-1], u_list[-1], region))
    u, ul = u_list.pop(), ul_list.pop()
    for upper, left in zip(net.upper.up, net.left.up, strict=True):
        u = upper(u, u_list.pop(), region)
        ul = left(ul, torch.cat([u, ul_list.pop()], dim=-1), region)
    torch.testing.assert_close(net(x), net.last(F.elu(ul)))
