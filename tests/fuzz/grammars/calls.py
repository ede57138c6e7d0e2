"""Calls of the library with arguments that are wrong, empty, huge or of another kind, as source text."""

import re

from attempt import PYTHON, Attempt
from hypothesis import strategies as st

from grammars import tiny

GOOD = "torch.randn(60, 2, dtype=torch.float64)"
DATA = (
    "None", "[]", "[[]]", "()", "3", "'t.csv'", "b't.csv'", "object()", "{}", "{'a': [1.0, 2.0]}",
    "[1.0, 2.0, 3.0] * 9", "[[1.0], [1.0, 2.0]]", "[['a', 'b']]", "np.zeros((0, 2))", "np.zeros((5, 0))",
    "np.zeros(())", "np.zeros((60, 2))", "np.random.default_rng(0).normal(size=(60, 2))", "np.full((60, 2), np.nan)",
    "np.full((60, 2), np.inf)", "np.zeros((60, 2), complex)", "np.array([['a', 'b']] * 9)",
    "np.array([[None, 1.0]] * 9)", "np.ones((60, 2), '>f8')", "np.ones((60, 2), np.float16)",
    "np.full((9, 2), 2**64 - 1, np.uint64)", "np.ones((9, 2), np.longdouble)",
    "np.ma.masked_array(np.ones((9, 2)), mask=[[True, False]] * 9)", "np.ones((9, 2), 'M8[s]')", "np.ones((60, 3))",
    "np.asfortranarray(np.arange(120.0).reshape(60, 2))", "np.arange(120.0).reshape(60, 2)[::-1]", "iter([[1.0, 2.0]])",
    "np.zeros(9, [('a', float), ('b', int)])", "range(9)", "torch.zeros(0, 2)",
    "torch.zeros(9, 2, dtype=torch.complex64)", "torch.randn(9, 2).to(torch.float8_e4m3fn)",
    "torch.eye(9, 2).to_sparse()", "torch.zeros(9, 2, dtype=torch.uint64)", "torch.zeros(9, 2, device='meta')",
    "torch.randn(9, 2).bfloat16()", "torch.randn(9, 2, requires_grad=True)", "torch.ones(9, 2, dtype=torch.bool)",
    "torch.randn(9, 2, 2)", "torch.tensor(1.0)", "torch.nested.nested_tensor([torch.ones(2)])",
    "torch.utils.data.TensorDataset(torch.randn(60, 2))",
    "torch.utils.data.DataLoader(torch.randn(60, 2), batch_size=7)", "torch.randint(0, 3, (60, 2))",
    "torch.randint(0, 3, (60, 2), dtype=torch.int8)", "-torch.ones(9, 2).long()",
    "__import__('pandas').DataFrame({'a': [1.0, 2.0] * 30, 'b': [2.0, 1.0, 3.0] * 20})",
    "__import__('pandas').DataFrame({'a': ['x', 'y'] * 30})", "__import__('pandas').DataFrame()",
    "__import__('pandas').DataFrame([[1.0, 2.0]] * 30, columns=['a', 'a'])",
    "__import__('pandas').DataFrame({'a': [1.0, None] * 30, 'b': 1.0})", "__import__('pandas').Series([1.0, 2.0] * 30)",
    "__import__('polars').DataFrame({'a': [1.0, 2.5] * 30, 'b': [2, 1, 3] * 20})", "__import__('polars').DataFrame()",
    "__import__('pyarrow').table({'a': [1.0, 2.5] * 30})", "1e300 * torch.randn(60, 2).double()", GOOD, GOOD, GOOD,
)  # fmt: skip
VALUES = (
    "None", "0", "1", "2", "3", "-1", "10**6", "10**9", "(10**5, 10**5)", "1.5", "float('nan')", "float('inf')",
    "10**30", "2**64", "'1'", "''", "[]", "(3,)", "True", "np.int64(2)", "torch.tensor(2)", "...", "{}", "'cpu'",
    "b'x'", "1j",
)  # fmt: skip
SPACES = (
    "loglik.Real((2,))", "loglik.Real(2)", "loglik.Real(())", "loglik.Real((0,))", "loglik.Real((-1,))",
    "loglik.Real(None)", "loglik.Real((1.5,))", "loglik.Real('2')", "loglik.Real((10**9,))", "loglik.Integer((2,), 3)",
    "loglik.Integer((2,), 1)", "loglik.Integer((2,), 2.5)", "loglik.Integer((2,), None)",
    "loglik.Integer((2,), 10**12)", "loglik.Category((2,), 3)", "loglik.Category((2,), float('nan'))", "None", "(2,)",
    "'real'", "loglik.Integer((1, 4, 4), 4)", "loglik.Category((16,), 5)",
)  # fmt: skip
SMALL = (
    "loglik.Real((2,))", "loglik.Integer((2,), 3)", "loglik.Integer((1, 4, 4), 4)", "loglik.Real((3, 4, 4))",
    "loglik.Category((16,), 5)", "loglik.Integer((1024,), 65536)", "loglik.Real(())",
)  # fmt: skip
MODELS = (
    "gaussian", "histogram", "uniform", "gmm", "made", "ppca", "realnvp", "nice", "maf", "nsf", "vae", "fvsbn",
    "char-rnn", "pixelcnn", "transformer", "wavenet", "ride", "glow", "cnf", "iaf", "", "gaus",
)  # fmt: skip
HYPERPARAMETERS = (
    "hidden", "layers", "components", "latents", "dropout", "width", "bins", "masks", "heads", "rank", "x",
)  # fmt: skip
OPTIONS = (
    "steps", "epochs", "budget", "batch", "lr", "clip", "ema", "patience", "seed", "valid", "context", "precision", "x",
)  # fmt: skip


@st.composite
def settings(draw: st.DrawFn) -> str:
    """A model with one of its own hyperparameters, on a small space."""
    from loglik.hyperparameters import hyperparameters
    from loglik.zoo import ZOO

    name = draw(st.sampled_from(sorted(ZOO)))
    known = sorted(hyperparameters(ZOO[name].load())) or ["x"]
    return f"{name!r}, {draw(st.sampled_from(SMALL))}, {draw(st.sampled_from(known))}={draw(st.sampled_from(VALUES))}"


BUILT = "m = loglik.build('<small>', loglik.Real((2,)))\n"
FITTED = f"torch.manual_seed(0)\nx = {GOOD}\n{BUILT}loglik.fit(m, x, steps=2)\n"
CALLS = (
    "m = loglik.build(<setting>)\nm(m.sample(2))",
    "m = loglik.build(<setting>)\nloglik.evaluate(m, m.sample(8))",
    "loglik.build('<model>', <space>)",
    "loglik.build('<model>', <space>, <hyperparameter>=<value>)",
    "loglik.build('<small>', loglik.Real((2,)), <hyperparameter>=<value>)",
    "loglik.build(<value>, loglik.Real((2,)))",
    f"{BUILT}loglik.fit(m, <data>, steps=2)",
    f"{BUILT}loglik.fit(m, {GOOD}, <option>=<value>)",
    f"{BUILT}loglik.fit(m, {GOOD}, steps=2, valid=<data>)",
    f"{BUILT}loglik.fit(m, {GOOD}, steps=2, context=<data>)",
    "loglik.fit(<value>, <data>)",
    f"{BUILT}m.log_likelihood(<data>)",
    f"{BUILT}loglik.save(m, <place>)",
    f"{FITTED}m(<data>)",
    f"{FITTED}m.log_likelihood(x, <data>)",
    f"{FITTED}m.sample(<value>)",
    f"{FITTED}loglik.evaluate(m, <data>)",
    f"{FITTED}loglik.evaluate(m, x, samples=<value>, seed=<value>)",
    f"{FITTED}loglik.sample(m, <value>, seed=<value>)",
    f"{FITTED}loglik.sample(m, 2, context=<data>)",
    f"{FITTED}loglik.sample(m, 2, temperature=<value>, top_k=<value>)",
    f"{FITTED}loglik.save(m, <place>)",
    "loglik.evaluate(<value>, <data>)",
    "loglik.load(<place>)",
    "loglik.data.open_dataset(<data>)",
    "loglik.data.open_source(<data>)",
    "loglik.data.hold_out(<data>)",
    "loglik.compare(<models>, <data>, budget=1)",
    "loglik.check(<value>)",
    "loglik.register(<value>, <value>)",
)
PARTS = {
    "small": st.sampled_from(("gaussian", "gaussian", "gmm", "made")),
    "model": st.sampled_from(MODELS),
    "models": st.sampled_from(("['gaussian']", "['gaussian']", "[]", "None", "3", "'gaussian'", "[None]", "[3]")),
    "space": st.sampled_from(SPACES),
    "hyperparameter": st.sampled_from(HYPERPARAMETERS),
    "option": st.sampled_from(OPTIONS),
    "value": st.sampled_from(VALUES),
    "data": st.sampled_from(DATA),
    "setting": settings(),
    "place": st.sampled_from(("'new'", "'new'", "'t.csv'", "'run'", "'nowhere'", "''", "None", "3", "b'new'")),
}


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    call = draw(st.sampled_from(CALLS))
    source = re.sub("<([a-z]+)>", lambda part: draw(PARTS[part[1]]), call)
    return Attempt(
        (PYTHON, source), {**tiny.run("table"), "t.csv": tiny.TABLE.encode()}, makes=("new", "run", "nowhere")
    )
