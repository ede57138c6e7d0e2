"""Reports stand alone, say what every number is, and show what suits the space."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

import loglik
from loglik import Category, Integer, Real
from loglik.contract import Claim, ExactModel
from loglik.data import Dataset, Memory, split_rows
from loglik.report import comparison_report, exhibits, leaderboard_picture, run_report
from loglik.report.sections import Card, Section
from loglik.report.wording import Unit, count, duration, number, significant
from loglik.runs.run import save, write_history
from loglik.tasks.compare import compare
from loglik.tasks.comparison import Comparison, Entrant
from loglik.training.fit import fit

COMMAND = "loglik compare 'a <b> & c' --budget 1s"
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every tag that is opened is closed, and what it refers to is noted."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.source = path.read_text()
        self.feed(self.source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.note(tag, attrs)

    def note(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.references += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if "style" not in self.open else ""


def dataset(space, rows=60, log_density=None, columns=None):
    generator = torch.Generator().manual_seed(0)
    if isinstance(space, Real):
        x = torch.randn(rows, *space.shape, generator=generator)
    else:
        x = torch.randint(space.levels, (rows, *space.shape), generator=generator)
    parts = {name: Memory(space, x[index], columns=columns) for name, index in split_rows(rows, 0, 0.2, 0.4).items()}
    split = {"how": "shuffled", "seed": 0, **{name: part.rows for name, part in parts.items()}}
    return Dataset("toy", parts["train"], parts["valid"], parts["test"], split, "made up", log_density)


def report(data, models, folder):
    comparison = compare(models, data, steps=4, samples=2)
    return comparison, Page(comparison_report(comparison, folder, COMMAND))


@pytest.fixture(autouse=True, scope="module")
def few_samples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exhibits, "MANY", 64)
        patch.setattr(exhibits, "ENOUGH", 32)
        yield


CASES = {
    "images": (Integer((1, 4, 4), levels=3), ["uniform", "gaussian", "made", "pixelcnn"]),
    "plane": (Real((2,)), ["gaussian", "vae", "realnvp"]),
    "vectors": (Real((5,)), ["gaussian", "ppca"]),
    "line": (Real((1,)), ["gaussian", "gmm"]),
    "counts": (Integer((3,), levels=5), ["uniform", "histogram"]),
    "text": (Category((6,), levels=4), ["uniform", "histogram", "made"]),
    "many symbols": (Category((4,), levels=100), ["uniform", "histogram"]),
}


@pytest.fixture(scope="module", params=CASES)
def case(request, few_samples, tmp_path_factory):
    """The name of the case, its comparison and its page."""
    space, models = CASES[request.param]
    torch.manual_seed(0)
    columns = ("a", "b", "c", "d", "e") if request.param == "vectors" else None
    return request.param, *report(dataset(space, columns=columns), models, tmp_path_factory.mktemp("report"))


def test_page_stands_alone(case):
    _, _, page = case
    assert not re.search(r"https?://|@import|url\((?!#)", page.source)
    assert all(reference.startswith(("data:", "#")) for reference in page.references)
    assert "script" not in page.tags
    assert len(set(page.ids)) == len(page.ids)
    assert {reference[1:] for reference in page.references if reference.startswith("#")} <= set(page.ids)
    assert len(page.source) < 3_000_000


def test_page_tells_every_number_with_its_claim_and_the_command(case):
    _, comparison, page = case
    unit = Unit.of(comparison.data.space, [e.score.stderr for e in comparison.entrants])
    assert COMMAND in page.text
    for standing in comparison.standings:
        score = standing.score
        assert f"{unit.sign(score.claim)} {unit.measured(score.nats, score.stderr)}" in page.text
        assert standing.verdict.replace("+-", "\u00b1") in page.text
        assert standing.name in page.text
    assert ("lower bound, K=2" in page.text) == any(s.score.claim is Claim.LOWER_BOUND for s in comparison.standings)


def test_pictures_suit_the_space(case):
    name, comparison, page = case
    models = len(comparison.entrants)
    assert page.tags.count("img") == {"images": models + 1, "plane": models + 1}.get(name, 0)
    assert page.source.count('class="dots"') == (models + 1 if name == "plane" else 0)
    assert page.source.count('class="symbols"') == (models + 1 if "text" in name or "symbols" in name else 0)
    dims = comparison.data.space.dims if name in ("vectors", "line", "counts") else 0
    assert page.source.count('aria-label="marginal histogram') == dims
    assert ('id="cost-' in page.source, 'id="spread-' in page.source) == (True, True)
    assert page.source.count('class="strip"') == models
    learned = any(e.history is not None and len(e.history.rows) > 1 for e in comparison.entrants)
    assert ('id="curves-' in page.source) == learned
    if name == "vectors":
        assert "a, b, c, d, e" in page.text


def test_signs_follow_the_unit():
    assert [Unit.of(Real((2,))).sign(claim) for claim in Claim] == ["=", "\u2265", "~"]
    assert [Unit.of(Integer((2,), levels=2)).sign(claim) for claim in Claim] == ["=", "\u2264", "~"]


def test_regret_is_shown_where_the_density_is_known(tmp_path):
    def log_density(x):
        return torch.distributions.Normal(0.0, 1.0).log_prob(x.double()).sum(dim=-1)

    comparison, page = report(dataset(Real((2,)), log_density=log_density), ["gaussian", "vae"], tmp_path)
    assert "the source itself" in page.text
    regret = comparison.truth - comparison.entrant("vae").score
    assert f"\u2264 {number(regret.nats, significant(regret.stderr))}" in page.text
    _, page = report(dataset(Real((2,))), ["gaussian"], tmp_path)
    assert "regret" not in page.text


def test_a_bound_that_loses_is_marked_open_and_a_failure_tells_its_reason(tmp_path):
    data = dataset(Integer((1, 4, 4), levels=3))
    comparison = compare(["uniform", "vae"], data, steps=2, samples=2)
    comparison.entrants.append(Entrant("broken", error="it needs <more> rows"))
    page = Page(comparison_report(comparison, tmp_path, COMMAND))
    assert [f"{s.place}{'?' * s.open}" for s in comparison.standings] == ["1", "2?"]
    assert "2?" in page.text
    assert "it needs <more> rows" in page.text
    assert "broken" in page.text


def test_a_score_that_is_not_finite_is_shown_and_not_ranked(tmp_path):
    class Nowhere(ExactModel):
        def log_prob(self, x, context=None):
            return torch.full((len(x),), -torch.inf)

        def sample(self, n, context=None):
            return torch.zeros(n, *self.space.shape)

    comparison, page = report(dataset(Real((2,))), {"nowhere": Nowhere(Real((2,))), "gaussian": "gaussian"}, tmp_path)
    assert comparison.standings[-1].place is None
    assert "not ranked: the score is not finite" in page.text
    assert "\u2212\u221e" in page.text


def test_repeated_rows_are_counted_and_the_others_scored_beside(tmp_path):
    """Two of the three test rows are training rows; of the third the histogram gives (3.1 / 6.2)^2 (0.1 / 6.2)."""
    space, train = Integer((3,), levels=2), torch.tensor([[0, 0, 0], [1, 1, 0]] * 3)
    test = torch.tensor([[0, 0, 0], [1, 1, 0], [0, 1, 1]])
    data = Dataset("toy", Memory(space, train), Memory(space, train[:1]), Memory(space, test), {"how": "given"})
    _, page = report(data, ["histogram"], tmp_path)
    bits = -math.log2((3.1 / 6.2) ** 2 * (0.1 / 6.2)) / 3
    told = f"of 3 test rows 2 equal training rows; on the other 1, in bits/dim: histogram = {bits:.3f}"
    assert told in page.text
    _, page = report(dataset(Real((2,))), ["gaussian"], tmp_path / "reals")
    assert "equal training rows" not in page.text


def test_nothing_scored_still_makes_a_page(tmp_path):
    comparison = Comparison(dataset(Real((2,))), [Entrant("broken", error="no")])
    assert "no score: no" in Page(comparison_report(comparison, tmp_path, COMMAND)).text


def test_conditional_models_are_sampled_with_held_out_contexts(tmp_path):
    space, context = Integer((1, 3, 3), levels=2), Category((), levels=2)
    x, c = torch.randint(2, (40, 1, 3, 3)), torch.randint(2, (40,))
    part = Memory(space, x, c, context)
    data = Dataset("labelled", part, part, part, {"how": "as given"})
    model = loglik.build("made", space, context=context, hidden=(8,))
    _, page = report(data, {"p(x|c)": model}, tmp_path)
    assert page.tags.count("img") == 2
    assert "given" in page.text  # instead of a fitting time


def test_report_of_a_run(tmp_path):
    data = loglik.data.open_dataset("digits")
    model = loglik.build("made", data.space, hidden=(16,))
    history = fit(model, data, steps=30)
    score = loglik.evaluate(model, data)
    laws = {
        "results": [{"law": "mass", "status": "passed", "measured": 1e-12, "tolerance": 1e-9, "detail": "sums to 1"}]
    }
    about = {
        "data": {
            "name": "digits",
            "source": "digits",
            "split": data.split,
            "space": data.space.to_json(),
            "fingerprint": data.train.fingerprint,
        },
        "fit": {"options": {"steps": 30, "seed": 3}, "history": history.summary()},
        "scores": [{"part": "test", **score.to_json()}],
        "command": COMMAND,
        "laws": laws,
    }
    write_history(save(model, tmp_path, about), history)
    page = Page(run_report(tmp_path, "loglik report"))
    assert COMMAND in page.text
    assert "made on digits" in page.text
    assert f"= {number(score.bits_per_dim, 3)}" in page.text
    assert "sums to 1" in page.text
    assert "Learning curve" in page.text
    assert page.tags.count("img") == 2  # data and samples
    assert not re.search(r"https?://", page.source)


def test_report_of_a_run_that_tells_little(tmp_path):
    save(loglik.build("gaussian", Real((3,))), tmp_path)
    page = Page(run_report(tmp_path, "loglik report RUN"))
    assert "loglik report RUN" in page.text


@pytest.mark.parametrize("space", [Integer((1, 4, 4), levels=3), Real((3,))], ids=["images", "vectors"])
def test_picture_of_the_leaderboard(space, tmp_path):
    comparison = compare(["gaussian", "made"], dataset(space), steps=2, samples=2)
    path = leaderboard_picture(comparison, tmp_path / "docs" / "leaderboard.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size < 300_000
    assert leaderboard_picture(comparison, tmp_path / "leaderboard.png").read_bytes() == path.read_bytes()


def test_words():
    assert number(-0.0001, 2) == "0.00"
    assert number(-1.5, 1) == "\u22121.5"
    assert number(float("-inf"), 1) == "\u2212\u221e"
    assert [significant(e) for e in (12.0, 0.53, 0.012, 0.0001, 0.0)] == [0, 2, 3, 3, 2]
    assert [count(n) for n in (7, 1234, 2_560_000)] == ["7", "1.23\u202fk", "2.56\u202fM"]
    assert [duration(s) for s in (0.0123, 2.34, 59.6, 125, 7260)] == [
        "12\u202fms", "2.3\u202fs", "60\u202fs", "2\u202fmin 05\u202fs", "2\u202fh 01\u202fmin",
    ]  # fmt: skip


@pytest.mark.parametrize(("cards", "columns"), [(1, 3), (3, 3), (5, 5), (6, 3), (7, 4), (9, 5), (11, 4)])
def test_cards_stand_in_even_rows(cards, columns):
    assert Section("", cards=[Card("")] * cards).columns == columns


def test_numbers_of_a_page_do_not_depend_on_the_order_of_reports(tmp_path):
    data = dataset(Real((4,)))
    comparison = compare(["gaussian", "ppca"], data)
    first = comparison_report(comparison, tmp_path / "a", COMMAND).read_text()
    second = comparison_report(comparison, tmp_path / "b", COMMAND).read_text()
    minute = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
    assert minute.sub("", first) == minute.sub("", second)


def test_importing_the_report_draws_in_no_plotting(tmp_path):
    import subprocess
    import sys

    check = "import sys, loglik.report; print(any(m in sys.modules for m in ('matplotlib', 'jinja2', 'PIL')))"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
