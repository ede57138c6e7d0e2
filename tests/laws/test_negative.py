"""Each law can fail: the mistakes of `mutations` and `broken` break the law that is named beside them."""

from collections.abc import Callable

import broken
import broken_masses as bm
import image_flow_mutations
import image_mutations as im
import pytest
import sequence_mutations as sm
import spline_mutations

import mutations as m
from cases import LABEL_CONTEXT, LABELS, REAL_CONTEXT
from loglik.bijections.compose import Chain
from loglik.contract import Model
from loglik.errors import LawBroken
from loglik.laws import LAWS, Status, check
from loglik.models.bayes.prior import PriorChoice
from loglik.models.flow import Flow
from loglik.ops import log_mean_exp
from loglik.spaces import Real

MUTATIONS: dict[str, tuple[str, Callable[[], Model]]] = {
    "log_prob for each value": ("shapes", lambda: broken.Shape(m.PLANE)),
    "log_prob of minus infinity": ("shapes", lambda: broken.Unbounded(m.PLANE)),
    "samples off the grid": ("samples", lambda: m.fitted(broken.OffTheGrid(LABELS, 0.1), LABELS)),
    "samples transposed": ("samples", lambda: broken.Transposed(m.PLANE)),
    "a bound sold as exact": ("claim", lambda: broken.BoundSoldAsExact(m.VAE_CASE.model())),
    "an integral that claims to be exact": ("claim", m.exact_by_claim),
    "input changed in place": ("inputs unchanged", lambda: broken.InPlace(m.PLANE)),
    "state changed in scoring": ("inputs unchanged", lambda: broken.Counting(m.PLANE)),
    "batch norm in training": ("events apart", broken.BatchNormed),
    "events scored relative to their batch": ("events apart", lambda: broken.Whitened(m.PLANE)),
    "histogram without normalisation": ("total mass", m.unnormalised_histogram),
    "standardize without log-det": ("total mass", m.forgotten_standardize),
    "logit without log-det": ("total mass", m.forgotten_logit),
    "gaussianize without log-det": ("total mass", m.forgotten_gaussianize),
    "a frozen bound sold as exact": ("total mass", lambda: broken.MeanSoldAsExact(m.VAE_CASE.model())),
    "entropy term dropped": ("total mass", lambda: m.with_terms(lambda t: t | {"-log q(z|x)": 0.0 * t["-log q(z|x)"]})),
    "KL with the wrong sign": (
        "total mass",
        lambda: m.with_terms(lambda t: {k: v if k == "log p(x|z)" else -v for k, v in t.items()}),
    ),
    "prior counted twice": ("total mass", lambda: m.with_terms(lambda t: t | {"again": t["log p(z)"]})),
    "whitening without log-det": ("total mass", m.forgotten_whitening),
    "sign of log-det turned, mass": ("total mass", m.flipped_log_det),
    "mask B in the first layer": ("causality", im.own_pixel_in_first_layer),
    "mask B in the first layer, mass": ("total mass", im.own_pixel_in_first_layer),
    "mask B in the first layer of a Row LSTM": ("causality", lambda: im.own_pixel_in_first_layer(im.ROW_LSTM)),
    "mask B in the first layer of a Diagonal BiLSTM": (
        "causality",
        lambda: im.own_pixel_in_first_layer(im.DIAGONAL),
    ),
    "Row LSTM over its own row": ("causality", im.states_of_the_own_row),
    "Diagonal BiLSTM without the row shift": ("causality", im.missing_row_shift),
    "Diagonal BiLSTM without the row shift, mass": ("total mass", im.missing_row_shift),
    "Diagonal BiLSTM without the row shift, steps": ("steps", im.missing_row_shift),
    "1 x 1 convolutions without masks": ("causality", im.later_colours),
    "colour groups interleaved in one layer": ("causality", im.interleaved_colours),
    "the vertical stack not shifted": ("causality", im.missing_vertical_shift),
    "the vertical stack not shifted, mass": ("total mass", im.missing_vertical_shift),
    "a link at the same row": ("causality", im.link_from_the_row_below),
    "mask B in the first gated layer": ("causality", lambda: im.gated_layer_with(im.all_colours, "horizontal")),
    "gated, residual 1 x 1 without a mask": (
        "causality",
        lambda: im.gated_layer_with(im.all_colours, "residual"),
    ),
    "gated, skip 1 x 1 without a mask": ("causality", lambda: im.gated_layer_with(im.all_colours, "skip")),
    "gates split before the colours": ("causality", lambda: im.gated_layer_with(im.interleaved, "horizontal")),
    "gated, residual with interleaved colours": (
        "causality",
        lambda: im.gated_layer_with(im.interleaved, "residual"),
    ),
    "char-rnn reads the symbol it predicts": ("causality", sm.symbol_before_it_is_drawn),
    "char-rnn reads the symbol it predicts, mass": ("total mass", sm.symbol_before_it_is_drawn),
    "char-rnn sampled with other gates": ("steps", sm.gates_in_another_order),
    "a carried state that is not detached": ("carrying", sm.gradients_through_all_windows),
    "a carried state of another stream": ("carrying", sm.state_of_another_stream),
    "MADE outputs with >=": ("causality", sm.outputs_see_their_own_input),
    "averaged logits of an ensemble": ("total mass", sm.averaged_logits),
    "an ensemble sampled from one member": ("sampler", sm.one_member_only),
    "masks applied once at the start": ("causality", sm.masked_once),
    "sampling in another order than the masks'": ("causality", sm.wrong_order),
    "its own pixel in the neighbourhood": ("causality", im.own_pixel_in_the_neighbourhood),
    "states from the row below": ("causality", im.states_of_the_next_row),
    "masks that let nothing through": ("causality", sm.sees_nothing),
    "the first convolution not shifted": ("causality", sm.own_value_in_first_layer),
    "symmetric padding": ("causality", sm.symmetric_padding),
    "a queue that is off by one": ("steps", sm.queue_off_by_one),
    "no shift down": ("causality", im.without_down_shift),
    "no shift to the right": ("causality", im.without_right_shift),
    "padding on the left's other side": ("causality", im.padded_on_the_wrong_side),
    "density times bin width": ("total mass", im.density_times_bin),
    "a scale without log-det, 1 dimension": ("total mass", lambda: bm.Wider(Real((1,)))),
    "a scale without log-det, 3 dimensions": ("total mass", lambda: bm.Wider(Real((3,)))),
    "a scale without log-det, 8 dimensions": ("total mass", lambda: bm.Wider(Real((8,)))),
    "a scale without log-det, 60 dimensions": ("total mass", lambda: bm.Wider(Real((60,)))),
    "one percent too much": ("total mass", lambda: bm.Heavier(Real((3,)), 1.01)),
    "five percent too much, 20 dimensions": ("total mass", lambda: bm.Heavier(Real((20,)), 1.05)),
    "a third too much, 60 dimensions": ("total mass", lambda: bm.Heavier(Real((60,)), 1.3)),
    "chances that do not sum to one": ("total mass", lambda: bm.UnequalCoins(40)),
    "one class of ten, enumerated": ("total mass", lambda: bm.OneClass(3, 9)),
    "one class of ten, 40 dimensions": ("total mass", lambda: bm.OneClass(40, 7)),
    "a second mode far away": ("mass elsewhere", lambda: bm.SecondMode(Real((1,)), 1e4)),
    "a second mode far away, 3 dimensions": ("mass elsewhere", lambda: bm.SecondMode(Real((3,)), 1e3)),
    "a second mode near, 10 dimensions": ("mass elsewhere", lambda: bm.SecondMode(Real((10,)), 50.0)),
    "samples given each other's contexts": ("sampler", lambda: bm.Misaligned(30, REAL_CONTEXT)),
    "samples given each other's contexts, counted": ("sampler", lambda: bm.Misaligned(3, LABEL_CONTEXT)),
    "samples all given one context": ("sampler", lambda: bm.OneContext(3, LABEL_CONTEXT)),
    "a decoder without its context": ("contexts", m.decoder_without_context),
    "bounds with contexts of other events": ("bounds", m.bound_with_other_contexts),
    "log-mean-exp without its largest term": ("bounds", lambda: m.with_bound(m.without_the_largest)),
    "log-determinant halved in training": ("objective", lambda: bm.HalvedInTraining(3)),
    "batch norm's log-determinant halved in training": ("objective", m.batch_norm_halved_in_training),
    "half a KL in training": ("objective", m.half_a_kl),
    "an inverse that is not quite one": ("inverse", m.one_sided_coupling),
    "sign of log-det turned": ("log-determinant", m.flipped_log_det),
    "standardize without log-det, Jacobian": ("log-determinant", m.forgotten_standardize),
    "logit without log-det, Jacobian": ("log-determinant", m.forgotten_logit),
    "gaussianize without log-det, Jacobian": ("log-determinant", m.forgotten_gaussianize),
    # AntixK/PyTorch-VAE: softmax of the errors, so bad samples weigh more.
    "importance weights upside down": ("bounds", lambda: m.with_bound(lambda log_w: -log_mean_exp(-log_w, 1))),
    "sum where the mean belongs": ("bounds", lambda: m.with_bound(lambda log_w: log_w.sum(1))),
    "an M-step that is wrong": (
        "em ascends",
        lambda: m.fitted(broken.HalfStep(Real((3,)), 1, em=True, floor=1e-6), Real((3,))),
    ),
    "likelihood without its constant": (
        "em ascends",
        lambda: m.fitted(broken.LikelihoodOfAnother(m.PLANE, 1e-6), m.PLANE),
    ),
    "weights forgotten": ("weights count", lambda: m.fitted(broken.Unweighted(m.PLANE, 1e-6), m.PLANE)),
    "evidence without constants": (
        "evidence",
        lambda: m.fitted(broken.WithoutConstants(m.PLANE, None, PriorChoice()), m.PLANE),
    ),
    "means filled in": ("gaps ascend", lambda: m.fitted(broken.MeansFilledIn(m.PLANE, 1e-6), m.PLANE)),
    "events with gaps left out": ("gaps ascend", lambda: m.fitted(broken.WholeRowsOnly(m.PLANE, 1e-6), m.PLANE)),
    "the posterior of the slides": (
        "bounds",
        lambda: m.fitted(broken.WiderPosterior(Real((3,)), 1, em=True, floor=1e-6), Real((3,))),
    ),
    "statistics that average": ("statistics add", lambda: m.fitted(broken.Averaged(m.PLANE, 1e-6), m.PLANE)),
    "a marginal that reads what is left out": (
        "leaving out",
        lambda: m.fitted(broken.ReadsTheRest(m.PLANE, 0.0), m.PLANE),
    ),
    "a missing value for a level": ("leaving out", lambda: m.fitted(broken.CountsTheMissing(LABELS, 0.1), LABELS)),
    "a conditional that sums to less": (
        "leaving out",
        lambda: m.fitted(broken.ProbabilitiesOfTheRest(LABELS, 0.1), LABELS),
    ),
    "missing values from their margins": (
        "leaving out",
        lambda: m.fitted(broken.DrawsOfTheMargins(m.PLANE, 0.0), m.PLANE),
    ),
    "observed values drawn anew": ("leaving out", lambda: m.fitted(broken.Redraws(m.PLANE, 0.0), m.PLANE)),
    "a joint density without the latents": (
        "bounds",
        lambda: m.fitted(broken.JointOfAnother(Real((3,)), 1, em=False, floor=1e-6), Real((3,))),
    ),
    "samples too wide": ("sampler", m.wider_sampler),
    "another base in the sampler": ("sampler", lambda: Flow(m.PLANE, Chain([]), broken.LogisticBase(m.PLANE))),
    "argmax for a draw": ("sampler", m.sampler_of_the_likeliest),
    "samples of the margins": ("sampler", m.independent_sampler),
    "samples at z = 0": ("sampler", m.shrunken_latents),
    "a temperature that is ignored": ("sharpening", sm.temperature_ignored),
    "one level more than top k": ("sharpening", sm.one_level_too_many),
    "codes sharpened, not levels": ("sharpening", sm.codes_sharpened),
    "a parameter without gradient": ("gradients", broken.Detached),
    "state outside the state dict": ("persistence", lambda: broken.Remembering(m.PLANE)),
    "context ignored": ("contexts", lambda: broken.ContextIgnored(LABEL_CONTEXT)),
    "context swallowed": ("contexts", lambda: broken.ContextSwallowed(m.PLANE)),
    **image_flow_mutations.MISTAKES,
    **spline_mutations.MISTAKES,
}


@pytest.mark.parametrize("mistake", MUTATIONS)
def test_the_law_finds_the_mistake(mistake: str) -> None:
    law, build = MUTATIONS[mistake]
    report = check(build())
    result = report[law]
    assert result.status is Status.FAILED, str(report)
    assert "It threw" not in result.detail
    assert law in [broken.law for broken in report.broken]
    with pytest.raises(LawBroken, match=law):
        report.raise_if_failed()


def test_every_law_has_a_mistake_that_breaks_it() -> None:
    assert {law for law, _ in MUTATIONS.values()} == {law.name for law in LAWS}
