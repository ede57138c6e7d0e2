"""Figures show what is so: the numbers expected here are counted or written down, not taken from the figures."""

import itertools
import math
import re

import pytest
import torch

from loglik import Category, Integer, Real
from loglik.contract import Claim
from loglik.data import Dataset, Memory
from loglik.report import comparison_report, leaderboard_picture
from loglik.report.cost import cost, not_shown
from loglik.report.curves import Learned, caption, curve, curves, lines, notes
from loglik.report.drawing import short
from loglik.report.exhibits import Exhibit
from loglik.report.leaderboard import Scale
from loglik.report.limits import Limits, told_apart
from loglik.report.marginals import left_out, marginals
from loglik.report.palette import assign
from loglik.report.plane import around, outside
from loglik.report.spread import beyond, spread
from loglik.report.wording import Unit
from loglik.score import Score
from loglik.tasks.comparison import Comparison, Entrant
from loglik.training.history import History, Step

SPACE = Real((2,))
NATS = Unit("nats", 1.0, 2)


def scored(mean, stderr=0.1, rows=4, space=SPACE):
    """A score with exactly this mean and standard error."""
    pattern = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat(rows // 2)
    return Score(mean + pattern * stderr * math.sqrt(rows - 1), space, Claim.EXACT, None, "rows")


def shown(**means):
    return [
        Exhibit(name, "blue", score=scored(mean), seconds=1.0, history=History("x")) for name, mean in means.items()
    ]


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", str(svg))


def axis_numbers(svg):
    """The numbers at the ticks and labels of a figure."""
    return [float(t.replace("\u2212", "-")) for t in texts(svg) if re.fullmatch(r"\u2212?[\d.]+", t)]


def looked(*nats, best=None, seconds=1.0):
    rows = [Step(i + 1, seconds * (i + 1), 0.1, -1.0, value) for i, value in enumerate(nats)]
    return History("gradients", rows, best_step=best)


def em(*nats):
    return History("EM", [Step(i + 1, 0.1 * (i + 1), 0.1, value) for i, value in enumerate(nats)])


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([-10.0, -10.5, -11.0, -17906.3], -11.0, -10.0),  # one far behind does not stretch the axis
        ([-10.0, -17906.3], -17906.3, -10.0),  # of two, both are shown
        ([-10.0, -11.0, -12.0, -13.0], -13.0, -10.0),
        ([-10.0, -10.5, math.nan, -math.inf], -10.5, -10.0),
        ([-10.0, -10.5, -11.0, 1e6], -11.0, -10.0),  # better, but not ranked
        ([-10.0], -10.0, -10.0),
    ],
)
def test_an_axis_follows_those_that_can_be_told_apart(values, low, high):
    assert told_apart(values, -10.0) == Limits(low, high)


def test_what_a_wide_error_cannot_tell_apart_stays_on_the_axis():
    values = [-10.0, -10.01, -10.02, -14.0]
    assert told_apart(values, -10.0, 0.05).low == -14.0
    assert told_apart(values, -10.0, 0.01).low == -10.02


def test_cost_names_a_model_far_behind_with_its_number():
    svg = cost(shown(first=-10.0, second=-10.5, third=-11.0, gmm=-17906.3), NATS)
    assert "gmm \u25be \u221217906.30 \u00b1 0.10" in texts(svg)
    assert {"first", "second", "third"} <= set(texts(svg))
    assert min(axis_numbers(svg)) > -12.0


def test_ticks_say_whole_numbers():
    svg = cost(shown(a=-155945.92), NATS)
    assert all(-155960.0 < number < -155930.0 for number in axis_numbers(svg) if number < 0.0)


def test_bits_point_up_where_more_is_worse():
    unit = Unit.of(Integer((1,), levels=2))
    bits = {"a": 1.0, "b": 1.1, "c": 1.2, "d": 90.0}
    exhibits = [Exhibit(n, "blue", score=scored(-v * math.log(2.0)), history=History("x")) for n, v in bits.items()]
    assert any(text.startswith("d \u25b4 90.000") for text in texts(cost(exhibits, unit)))


def test_a_score_that_is_not_finite_is_said_to_be_missing():
    exhibits = shown(a=-1.0, b=-math.inf)
    assert "b" not in texts(cost(exhibits, NATS))
    assert not_shown(exhibits) == ["Without a finite score, so not drawn: b."]
    assert not_shown(shown(a=-1.0)) == []


def test_strips_keep_near_models_apart_and_point_to_the_far_one():
    near, far = [scored(-10.0), scored(-11.0)], scored(-17906.3)
    scale = Scale.over([*near, far], NATS)
    first, second = (float(re.search(r'cx="([\d.]+)"', scale.strip(score, "blue"))[1]) for score in near)
    assert first - second > 60.0
    assert "beyond" in scale.strip(far, "blue")
    assert "beyond" not in scale.strip(near[0], "blue")


def test_the_kept_step_is_marked_not_the_last():
    line = curve("made", Learned("blue", looked(-3.0, -2.0, -2.5, -9.0, best=2)), NATS)
    assert (line.kept, line.values[line.kept], line.validated) == (1, -2.0, True)
    assert curve("made", Learned("blue", looked(-3.0, -2.0)), NATS).kept is None


def test_weights_kept_from_before_are_no_point_of_the_curve():
    fits = {"made": Learned("blue", looked(-3.0, -2.5, best=0))}
    drawn = lines(fits, NATS)
    assert drawn[0].kept == -1
    assert drawn[0].ends == [-2.5]
    assert notes(fits, drawn) == ["made: the weights from before the first look were kept."]
    assert "made" in texts(curves(drawn, NATS))


def test_training_scores_are_never_called_validation():
    fits = {
        "made": Learned("blue", looked(-12.0, -10.0, best=2)),
        "nsf": Learned("green", looked(-13.0, -11.0, best=2)),
        "gmm": Learned("orange", em(-9.0, -3.0), -17906.3),
    }
    drawn = lines(fits, NATS)
    svg = curves(drawn, NATS)
    assert [line.validated for line in drawn] == [True, True, False]
    assert "validation (dashed: training) nats, higher is better" in texts(svg)
    assert "gmm, test \u25be \u221217906" in texts(svg)
    assert min(axis_numbers(svg)) > -20.0
    assert "the square is the score of the test rows" in caption(drawn)
    alone = lines({"gmm": fits["gmm"]}, NATS)
    assert "training nats, higher is better" in texts(curves(alone, NATS))
    assert "Dashed" not in caption(lines({"made": fits["made"]}, NATS))


def test_a_curve_alone_is_shown_from_its_beginning():
    fits = {"made": Learned("blue", looked(-8.0, -6.0, -5.0, -4.5, -4.2, -4.1, best=6))}
    numbers = [n for n in axis_numbers(curves(lines(fits, NATS), NATS)) if n < 0.0]
    assert min(numbers) <= -7.0
    assert max(numbers) >= -4.5


def test_a_curve_that_ends_far_away_is_named_at_the_rim():
    fits = {
        "a": Learned("blue", looked(-12.0, -10.0, best=2)),
        "b": Learned("blue", looked(-12.0, -11.0, best=2)),
        "maf": Learned("green", looked(-12.0, -11.5, -25000.0, best=2)),
    }
    svg = curves(lines(fits, NATS), NATS)
    assert "maf \u25be \u221225000" in texts(svg)
    assert min(axis_numbers(svg)) > -20.0


def test_looks_that_are_not_finite_and_fits_without_a_curve_are_told():
    fits = {
        "made": Learned("blue", looked(-3.0, math.nan, -math.inf, -2.0, best=4)),
        "gaussian": Learned("blue", em(-2.0)),
    }
    drawn = lines(fits, NATS)
    assert drawn[0].values == [-3.0, -2.0]
    assert notes(fits, drawn) == [
        "made: 2 looks were not finite, and are not drawn.",
        "Fitted without a curve: gaussian.",
    ]


def test_rows_outside_are_counted_at_their_side():
    values = torch.tensor([-500.0, -400.0, -1.0, 0.0, 9.0], dtype=torch.float64)
    left, right = beyond(values, torch.tensor([0.0, 7.0, 8.0, 9.0]), Limits(-5.0, 5.0))
    assert left == "\u25c2 2 rows \u00b7 mean \u2212178.40"
    assert right == "1 row \u00b7 3 samples \u25b8"
    assert beyond(torch.zeros(3), None, Limits(-5.0, 5.0)) == ("", "")
    with_nan = torch.tensor([0.0, math.nan, -math.inf])
    assert beyond(with_nan, None, Limits(-5.0, 5.0)) == ("\u25c2 1 row", "1 NaN")


def test_a_long_tail_of_one_model_does_not_set_the_axis_of_all():
    bell = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(200, dtype=torch.float64) + 0.5) / 200.0)
    rows = {"a": bell, "b": bell - 1.0, "c": bell - 1e4}
    exhibits = [Exhibit(n, "blue", score=Score(v, SPACE, Claim.EXACT)) for n, v in rows.items()]
    svg = spread(exhibits, NATS)
    assert min(axis_numbers(svg)) > -6.0
    assert "\u25c2 200 rows \u00b7 mean \u221210000.00" in texts(svg)


def test_marginals_count_what_their_bins_leave_out():
    assert left_out(torch.tensor([0.0, 5.0]), torch.tensor([-9.0, -8.0, 0.5, math.nan]), Limits(-1.0, 1.0)) == (
        "1 row\u00a0\u25b8, 2 samples\u00a0\u25c2, 1 sample NaN"
    )
    assert left_out(torch.tensor([0.5, math.nan, math.nan]), torch.zeros(0), Limits(-1.0, 1.0)) == "2 rows missing"
    x = torch.cat([torch.linspace(-1.0, 1.0, 999), torch.tensor([1e4])])[:, None]
    section = marginals(Real((1,)), Memory(Real((1,)), x), [])
    assert [card.note for card in section.cards] == ["1 row\u00a0\u25b8"]


def test_bins_of_many_levels_hold_as_many_levels_each():
    from loglik.report.marginals import _bins

    space = Integer((1,), levels=256)
    edges = _bins(torch.arange(0, 200), space)
    widths = {b - a for a, b in itertools.pairwise(edges)}
    assert len(widths) == 1
    assert widths.pop() % 1.0 == 0.0
    assert edges[0] % 1.0 == 0.5


def test_points_outside_the_plane_are_counted():
    points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, -3.0], [math.nan, 0.0]])
    assert outside(points, (-1.0, 1.0, -1.0, 1.0)) == "3 of 4 outside"
    assert outside(points[:1], (-1.0, 1.0, -1.0, 1.0)) == ""
    assert all(map(math.isfinite, around(points)))


def test_twelve_models_have_twelve_colours():
    colours = assign([(f"model {i}", None) for i in range(12)])
    assert len(set(colours.values())) == 12


def test_long_names_stay_apart_when_they_are_shortened():
    names = [f"a model with one long name {i}" for i in range(20)]
    assert len({short(name) for name in names}) == 20
    assert max(len(short(name)) for name in names) <= 22
    assert short("gmm") == "gmm"


@pytest.mark.parametrize(
    "space", [Real((2,)), Real((3,)), Integer((1, 4, 4), levels=3), Category((4,), levels=3)], ids=str
)
def test_a_page_and_a_picture_where_no_model_was_scored(space, tmp_path):
    x = torch.zeros(5, *space.shape, dtype=torch.float32 if isinstance(space, Real) else torch.long)
    part = Memory(space, x)
    comparison = Comparison(Dataset("toy", part, part, part, {"how": "as given"}), [Entrant("a", error="no")])
    page = comparison_report(comparison, tmp_path, "loglik compare toy").read_text()
    assert "no score: no" in page
    assert "Data and samples" in page or "Densities and samples" in page
    assert leaderboard_picture(comparison, tmp_path / "l.png").exists()


def test_an_interrupted_fit_is_said_to_be_one(tmp_path):
    part = Memory(SPACE, torch.randn(6, 2))
    from loglik import build, evaluate

    model = build("gaussian", SPACE)
    history = History("EM", [Step(1, 0.1, 0.1, -3.0), Step(2, 0.2, 0.2, -2.5)], stopped="interrupted")
    entrant = Entrant("gaussian", model, history, evaluate(model, part), seconds=0.2)
    data = Dataset("toy", part, part, part, {"how": "as given"})
    waiting = Entrant("made", error="not fitted: interrupted before its turn")
    page = comparison_report(Comparison(data, [entrant, waiting]), tmp_path, "loglik compare toy").read_text()
    assert "<small>interrupted</small>" in page
    assert "a fit did not come to its end" in page
    assert "interrupted before its turn" in page
