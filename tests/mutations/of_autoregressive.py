"""Mistakes in autoregressive models, their nets and their heads."""

from mutation import Mutation, Reach

from cases import (
    ATTENTION,
    BINARY,
    CONVOLUTIONS,
    DILATED,
    LABEL_CONTEXT,
    LABELS,
    NARROW,
    REAL_CONTEXT,
    RECURRENT,
    RGB,
    SMALL,
    SPATIAL,
    STACKS,
    TWO_STREAMS,
    Case,
)  # fmt: skip
from loglik.spaces import Category, Integer, Real

MODEL, RECIPE = Reach.MODEL, Reach.RECIPE
PLANE = Real((2,))
MADES, PIXELS = ("tests/models/test_made.py",), ("tests/models/test_pixelcnn.py",)
GATED = ("tests/models/test_gated_pixelcnn.py",)
PLUS, WIRING = ("tests/models/test_pixelcnnpp.py",), ("tests/models/test_published_wiring.py",)
LSTMS = ("tests/models/test_image_lstm.py", "tests/models/test_pixelrnn.py")
RIDES = ("tests/models/test_ride.py", "tests/models/test_spatial_lstm.py", "tests/heads/test_mcgsm.py")
ATTENDING, WAVES = (
    ("tests/models/test_transformer.py",),
    ("tests/models/test_wavenet.py", "tests/models/test_dilated.py"),
)
CHARS, HEADS = ("tests/models/test_recurrent.py",), ("tests/nets/test_heads.py",)
LOGISTICS, MU_LAW = ("tests/heads/test_logistic.py",), ("tests/heads/test_companded.py",)
MASKED, SHIFTED = "nets/images/convolutional.py", "models/autoregressive/pixelcnnpp/net.py"
FRAMES = Case("wavenet", Real((6,)), DILATED, Real((3, 2)))

MUTATIONS = (
    Mutation(
        "made-output-sees-itself", "made",
        "outputs read hidden units that know the very value (>= for > at the output)", "nets/masked/degrees.py",
        "asked[:, None] > layers[-1][None, :]", "asked[:, None] >= layers[-1][None, :]", MODEL, MADES,
        "made-Integer-1x3x3", Case("made", BINARY, SMALL),
    ),
    Mutation(
        "fvsbn-value-sees-itself", "fvsbn", "direct connections include the value's own", "nets/masked/degrees.py",
        "asked[:, None] > seen[None, :]", "asked[:, None] >= seen[None, :]", MODEL, MADES, "fvsbn-Integer",
        Case("fvsbn", BINARY),
    ),
    Mutation(
        "fvsbn-context-dropped", "fvsbn",
        "what a context adds to the outputs is left out in one pass, not in samples", "nets/masked/net.py",
        "self.context_in(context), self.context_out(context)", "self.context_in(context), None", MODEL, MADES,
        "fvsbn and given", Case("fvsbn", LABELS, {}, LABEL_CONTEXT),
    ),
    Mutation(
        "made-mean-of-logs", "made", "an ensemble of masks averages log p_s in place of p_s: a bound sold as exact",
        "models/autoregressive/made/ensemble.py",
        "return log_mean_exp(torch.stack([member.log_prob(x, context) for member in self.each()]))",
        "return torch.stack([member.log_prob(x, context) for member in self.each()]).mean(0)", MODEL,
        ("tests/models/test_mask_ensemble.py",), "made-Integer-1x3x3", Case("made", BINARY, SMALL | {"masks": 3}),
    ),
    Mutation(
        "samples-in-the-wrong-places", "made", "drawn values are put where the inverse of the order says",
        "models/autoregressive/autoregressive.py", "x[:, order] = in_order", "x[:, order.argsort()] = in_order",
        MODEL, MADES, "made-Integer", Case("made", Integer((6,), 2), SMALL | {"order": "random"}),
    ),
    Mutation(
        "temperature-ignored", "made", "samples are drawn at temperature 1, whatever is asked",
        "models/autoregressive/autoregressive.py",
        "self.head.draw_sharpened(params, noise, self.temperature, self.top_k)",
        "self.head.draw_sharpened(params, noise, 1.0, self.top_k)", MODEL, ("tests/models/test_guided_draws.py",), "",
        Case("made", LABELS, NARROW),
    ),
    Mutation(
        "coin-upside-down", "heads", "a Bernoulli head scores heads with the probability of tails",
        "heads/discrete.py", "F.logsigmoid((2 * x - 1) * logit)", "F.logsigmoid((1 - 2 * x) * logit)", MODEL, HEADS,
        "made-Integer-1x3x3", Case("made", BINARY, SMALL),
    ),
    Mutation(
        "categorical-not-normalised", "heads", "a softmax over levels leaves its largest level out of the sum",
        "heads/discrete.py", "- logits.logsumexp(-1)", "- logits[..., :-1].logsumexp(-1)", MODEL, HEADS,
        "made-Category", Case("made", LABELS, NARROW),
    ),
    Mutation(
        "normal-log-scale-misread", "heads", "a normal's density scales log sigma, its draws do not",
        "heads/gaussian.py", "torch.addcmul(t * -limit, z, z, value=-0.5)", "torch.addcmul(-t, z, z, value=-0.5)",
        MODEL, HEADS, "made-Real-1", Case("made", Real((1,)), NARROW, REAL_CONTEXT),
    ),
    Mutation(
        "normal-draws-too-narrow", "heads", "draws of a normal read log sigma as log sigma^2", "heads/gaussian.py",
        "return mean + torch.exp(log_scale) * noise.squeeze(-1)",
        "return mean + torch.exp(0.5 * log_scale) * noise.squeeze(-1)", MODEL, HEADS, "transformer-Real-2",
        Case("transformer", PLANE, ATTENTION, REAL_CONTEXT),
    ),
    Mutation(
        "mixture-weights-not-normalised", "heads", "logits of a mixture's components are taken for log weights",
        "heads/gaussian.py", "log_weight = logits - logits.logsumexp(-1, keepdim=True)", "log_weight = logits", MODEL,
        ("tests/heads/test_mixture.py",), "made-Real-2",
        Case("made", PLANE, SMALL | {"head": "mixture", "components": 3}),
    ),
    Mutation(
        "logistic-ends-left-open", "heads", "the end levels hold their bin alone, not the tails beyond",
        "heads/logistic.py", "torch.where(x == 0, below_top, torch.where(x == levels - 1, above_bottom, inside))",
        "inside", MODEL, LOGISTICS, "pixelcnn-Integer-2x3-40",
        Case("pixelcnn", Integer((1, 2), 40), CONVOLUTIONS | {"head": "logistic", "components": 2}),
    ),
    Mutation(
        "logistic-bins-too-narrow", "heads", "a bin is 2 / levels wide, where levels lie 2 / (levels - 1) apart",
        "heads/logistic.py", "half, inverse_scale = 1.0 / (levels - 1)", "half, inverse_scale = 1.0 / levels", MODEL,
        LOGISTICS, "transformer-Integer-2-40",
        Case("transformer", Integer((2,), 40), ATTENTION | {"head": "logistic", "components": 2}),
    ),
    Mutation(
        "mu-law-cells-unpaid", "heads", "the probability of a code is taken for that of a level",
        "heads/companded.py", "return log_p - self.log_size(x, log_p.dtype)", "return log_p", MODEL, MU_LAW,
        "wavenet-Integer-2-100", Case("wavenet", Integer((2,), 100), DILATED | {"head": "mu-law"}),
    ),
    Mutation(
        "pixelcnn-first-mask-B", "pixelcnn", "the first layer's mask lets every pixel see itself", MASKED,
        'group_out[:, None] if mask == "A" else', 'group_out[:, None] if mask == "C" else', MODEL,
        ("tests/nets/test_masks.py", *PIXELS), "pixelcnn-Integer-1x3x3", Case("pixelcnn", BINARY, CONVOLUTIONS),
    ),
    Mutation(
        "pixelcnn-colours-interleaved", "pixelcnn", "outputs are split into colours alternately, inputs contiguously",
        MASKED, "torch.arange(outputs) * groups // outputs", "torch.arange(outputs) % groups", MODEL,
        ("tests/nets/test_masks.py", *PIXELS), "pixelcnn-Integer-3x1x2",
        Case("pixelcnn", RGB, {"width": 6, "layers": 1}),
    ),
    Mutation(
        "pixelcnn-sees-to-the-right", "pixelcnn", "the mask leaves the centre row's right side open", MASKED,
        "allowed[:, :, -1, reach + 1 :] = 0.0", "allowed[:, :, -1, reach + 1 :] = 1.0", MODEL,
        ("tests/nets/test_masks.py", *PIXELS), "pixelcnn-Integer-1x3x3", Case("pixelcnn", BINARY, CONVOLUTIONS),
    ),
    Mutation(
        "pixelcnn-sampler-forgets-context", "pixelcnn", "pixel by pixel, the context is left out",
        "models/autoregressive/pixelcnn.py", "bias = net.first.bias + net.context(context)",
        "bias = net.first.bias + 0.0 * net.context(context)", MODEL, PIXELS, "pixelcnn and given and not gated",
        Case("pixelcnn", BINARY, CONVOLUTIONS, LABEL_CONTEXT),
    ),
    Mutation(
        "gated-pixelcnn-unshifted", "gated-pixelcnn", "the vertical stack reads its own row",
        "models/autoregressive/gated_pixelcnn.py", "return F.pad(image, (0, 0, 1, -1))", "return image", MODEL, GATED,
        "gated-pixelcnn-Integer-1x3x3", Case("gated-pixelcnn", BINARY, STACKS),
    ),
    Mutation(
        "gated-pixelcnn-shifted-sideways", "gated-pixelcnn",
        "the image is moved right where it is to move down (F.pad's order)",
        "models/autoregressive/gated_pixelcnn.py", "return F.pad(image, (0, 0, 1, -1))",
        "return F.pad(image, (1, -1, 0, 0))", MODEL, GATED, "gated-pixelcnn-Integer-1x3x3",
        Case("gated-pixelcnn", BINARY, STACKS),
    ),
    Mutation(
        "gated-pixelcnn-sampler-forgets-context", "gated-pixelcnn",
        "pixel by pixel, the horizontal stack never hears the context", "models/autoregressive/gated_pixelcnn.py",
        "self.known = self.known + to_horizontal", "self.known = self.known + 0.0 * to_horizontal", MODEL, GATED,
        "gated-pixelcnn and given", Case("gated-pixelcnn", BINARY, STACKS, LABEL_CONTEXT),
    ),
    Mutation(
        "pixelcnn++-shortcuts-in-order", "pixelcnn++",
        "on the way up, blocks read the features of the way down first to last", SHIFTED, "beside = passed.pop()",
        "beside = passed.pop(0)", RECIPE, WIRING, "", Case("pixelcnn++", BINARY, TWO_STREAMS | {"layers": 2}),
    ),
    Mutation(
        "pixelcnn++-colours-apart", "pixelcnn++",
        "every colour takes a component of its own, while samples share one", "heads/logistic.py",
        "torch.logsumexp(log_pi + log_mass.sum(-2), dim=-1)",
        "torch.logsumexp(log_pi.unsqueeze(-2) + log_mass, dim=-1).sum(-1)", MODEL, LOGISTICS,
        "pixelcnn++-Integer-3x1x2", Case("pixelcnn++", RGB, TWO_STREAMS),
    ),
    Mutation(
        "pixelcnn++-draws-half-a-bin-low", "pixelcnn++",
        "drawn values are rounded down, not to the level whose bin holds them", "heads/logistic.py",
        "torch.floor((place + 1.0) * (0.5 * (self.levels - 1)) + 0.5)",
        "torch.floor((place + 1.0) * (0.5 * (self.levels - 1)))", MODEL, LOGISTICS, "pixelcnn++-Integer-3x1x2",
        Case("pixelcnn++", RGB, TWO_STREAMS),
    ),
    Mutation(
        "pixelcnn++-first-pixels-unshifted", "pixelcnn++", "the left stream reads the pixel it is to predict",
        SHIFTED, "return down_shift(x), right_shift(x)", "return down_shift(x), x", MODEL, PLUS,
        "pixelcnn++-Integer-1x3x3", Case("pixelcnn++", BINARY, TWO_STREAMS),
    ),
    Mutation(
        "row-lstm-padded-on-the-wrong-side", "row-lstm",
        "the input-to-state convolution reads the pixel to the right", "models/autoregressive/pixelrnn/row.py",
        "left = F.pad(x, (0, 0, 1, 0))[:, :, :-1]", "left = F.pad(x, (0, 0, 0, 1))[:, :, 1:]", MODEL, LSTMS,
        "row-lstm-Integer-1x3x3", Case("row-lstm", BINARY, CONVOLUTIONS),
    ),
    Mutation(
        "row-lstm-memory-overwritten", "row-lstm",
        "pixel by pixel, the second colour reads the cell that the first has left",
        "models/autoregressive/pixelrnn/row.py",
        "self.c_above = self.c.clone()", "self.c_above = self.c", MODEL, LSTMS, "row-lstm-Integer-3x2x2",
        Case("row-lstm", Integer((3, 2, 2), 2), {"width": 6, "layers": 2}),
    ),
    Mutation(
        "diagonal-bilstm-right-unshifted", "diagonal-bilstm", "states from the right are added in their own row",
        "models/autoregressive/pixelrnn/diagonal.py", "return left + F.pad(right, (0, 0, 0, 0, 1, 0))[:, :-1]",
        "return left + right",
        MODEL, LSTMS, "diagonal-bilstm-Integer-1x3x3", Case("diagonal-bilstm", BINARY, CONVOLUTIONS, LABEL_CONTEXT),
    ),
    Mutation(
        "diagonal-bilstm-reads-below", "diagonal-bilstm", "on its diagonal a cell reads the state one row below",
        "models/autoregressive/pixelrnn/sweep.py", "return cls(tuple(starts), tuple(lows), (0, -1))",
        "return cls(tuple(starts), tuple(lows), (0, 1))", MODEL, LSTMS, "diagonal-bilstm-Integer-1x3x3",
        Case("diagonal-bilstm", BINARY, CONVOLUTIONS, LABEL_CONTEXT),
    ),
    Mutation(
        "ride-window-holds-the-pixel", "ride", "the neighbourhood a pixel is predicted from holds the pixel",
        "models/autoregressive/ride/whitening.py", "if (down, right) < (0, 0)", "if (down, right) <= (0, 0)", MODEL,
        RIDES,
        "ride-Real-1x2", Case("ride", Real((1, 2)), SPATIAL | {"layers": 0}),
    ),
    Mutation(
        "ride-whitening-unpaid", "ride", "the density is that of whitened pixels, without log|det L|",
        "heads/mcgsm.py", "self.first.log_prob(y[..., :1], h) + log_det", "self.first.log_prob(y[..., :1], h)", MODEL,
        RIDES, "ride-Real-1x2", Case("ride", Real((1, 2)), SPATIAL | {"layers": 0}),
    ),
    Mutation(
        "ride-scale-of-one-value", "ride", "the normaliser counts the scale once, however many values there are",
        "heads/mcgsm.py", "log_scale = 0.5 * M * self.alpha", "log_scale = 0.5 * self.alpha", MODEL, RIDES,
        "ride-Real-3x2x2", Case("ride", Real((3, 2, 2)), SPATIAL, LABEL_CONTEXT),
    ),
    Mutation(
        "ride-colours-of-one-pixel", "ride", "the log-determinant of the colours' matrix is counted for one pixel",
        "bijections/colour.py", "self.log_det * x.shape[-2] * x.shape[-1]", "self.log_det", MODEL, RIDES,
        "ride-Real-3x2x2", Case("ride", Real((3, 2, 2)), SPATIAL, LABEL_CONTEXT),
    ),
    Mutation(
        "ride-usual-lstm", "ride", "h = o tanh(c), as in other LSTMs, not tanh(o c)",
        "models/autoregressive/ride/lstm.py",
        "return torch.tanh(o * c), c", "return o * torch.tanh(c), c", RECIPE, RIDES, "",
        Case("ride", Real((2, 1)), SPATIAL | {"layers": 2}, LABEL_CONTEXT),
    ),
    Mutation(
        "transformer-not-causal", "transformer", "positions attend to later ones",
        "models/autoregressive/transformer/block.py",
        "causal_attention(query, key, value)", "F.scaled_dot_product_attention(query, key, value)", MODEL, ATTENDING,
        "transformer-Integer-1x3x3", Case("transformer", BINARY, ATTENTION),
    ),
    Mutation(
        "transformer-reads-the-value-itself", "transformer",
        "position t reads value t: the shift by one is forgotten", "models/autoregressive/transformer/net.py",
        "before = torch.cat([self.first.expand(len(x), 1, -1), self.read(values)], dim=1)",
        "before = self.read(x.flatten(1, -2)[:, self.order])", MODEL, ATTENDING, "transformer-Integer-1x3x3",
        Case("transformer", BINARY, ATTENTION),
    ),
    Mutation(
        "transformer-scale-in-one-place", "transformer",
        "attention without 1 / sqrt(d) in one pass, with it in samples", "models/autoregressive/transformer/block.py",
        "causal_attention(query, key, value)", "causal_attention(query * query.shape[-1] ** 0.5, key, value)", MODEL,
        ATTENDING, "transformer-Integer-1x3x3", Case("transformer", BINARY, ATTENTION),
    ),
    Mutation(
        "transformer-without-scale", "transformer", "attention without 1 / sqrt(d), everywhere",
        "models/autoregressive/transformer/block.py",
        "parts: Tensor = self.query_key_value(self.norm_attention(h))",
        "parts: Tensor = self.query_key_value(self.norm_attention(h))\n"
        "        wide = h.shape[-1]\n"
        "        parts = torch.cat([parts[..., :wide] * (wide / self.heads) ** 0.5, parts[..., wide:]], -1)",
        RECIPE, WIRING, "", Case("transformer", LABELS, ATTENTION, LABEL_CONTEXT),
    ),
    Mutation(
        "wavenet-first-mask-B", "wavenet", "the first convolution sees the very sample that it is to predict",
        "models/autoregressive/wavenet/dilated.py", '(kernel - 1) * dilation + (mask == "A")',
        "(kernel - 1) * dilation", MODEL, WAVES,
        "wavenet-Category-5", Case("wavenet", Category((5,), 3), DILATED | {"kernel": 3, "blocks": 1}, LABEL_CONTEXT),
    ),
    Mutation(
        "wavenet-queue-without-dilation", "wavenet", "step by step, taps are read next to each other",
        "models/autoregressive/wavenet/net.py", "ring[(self.time + j * gate.dilation) % len(ring)]",
        "ring[(self.time + j) % len(ring)]", MODEL, WAVES, "wavenet-Real-2",
        Case("wavenet", Real((6,)), DILATED | {"kernel": 3, "layers": 2}),
    ),
    Mutation(
        "wavenet-kernel-without-dilation", "wavenet", "the compiled sampler reads taps next to each other",
        "models/autoregressive/wavenet/kernel.py", "ring[(t + j * d) % len(ring)]", "ring[(t + j) % len(ring)]",
        MODEL, WAVES, "wavenet-Category-5",
        Case("wavenet", Category((5,), 3), DILATED | {"kernel": 3, "blocks": 1}, LABEL_CONTEXT),
    ),
    Mutation(
        "wavenet-frames-in-turn", "wavenet", "step by step, frames of the context change with every sample",
        "models/autoregressive/wavenet/net.py", "frame = min(self.time // net.hop, net.frames - 1)",
        "frame = self.time % net.frames", MODEL, WAVES, "wavenet and given", FRAMES,
    ),
    Mutation(
        "char-rnn-reads-the-value-itself", "char-rnn", "the cell at t reads the symbol at t",
        "models/autoregressive/char_rnn/net.py",
        "read = torch.cat([before.unsqueeze(1), values[:, :-1]], dim=1)", "read = values", MODEL, CHARS,
        "char-rnn-Integer-1x3x3", Case("char-rnn", BINARY, RECURRENT),
    ),
    Mutation(
        "char-rnn-carries-the-first-symbol", "char-rnn",
        "the state carried to the next window holds its first symbol, not its last",
        "models/autoregressive/char_rnn/net.py",
        "self._packed(h, values[:, -1])", "self._packed(h, values[:, 0])", MODEL, CHARS, "char-rnn-Category-5",
        Case("char-rnn", Category((5,), 3), RECURRENT),
    ),
    Mutation(
        "char-rnn-gru-the-other-way", "char-rnn", "step by step, the GRU keeps what its gate says to renew",
        "models/autoregressive/char_rnn/steps.py", "torch.lerp(self.m, self.h, self.u, out=self.h)",
        "torch.lerp(self.h, self.m, self.u, out=self.h)", MODEL, CHARS, "char-rnn-Category-4",
        Case("char-rnn", Category((4,), 9), RECURRENT | {"cell": "gru"}, LABEL_CONTEXT),
    ),
    Mutation(
        "conditional-of-the-mean-log", "made",
        "p(unseen|seen) of an ensemble divides by the mean of the members' logs",
        "models/autoregressive/made/ensemble.py", "- log_mean_exp(part.log_marginals())",
        "- part.log_marginals().mean(0)", Reach.BESIDE,
        ("tests/models/test_mask_ensemble.py",),
    ),
)  # fmt: skip
