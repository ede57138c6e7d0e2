"""Calls of the library with arguments that are wrong, empty, huge or of another kind, as source text."""

from attempt import PYTHON, Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import mostly

GOOD = "torch.randn(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)"
DATA = (
    "None", "[]", "[[]]", "()", "3", "'t.csv'", "b't.csv'", "object()", "{}", "{'a': [1.0, 2.0]}", "[1.0, 2.0, 3.0] * 9",
    "[[1.0], [1.0, 2.0]]", "[['a', 'b']]", "np.zeros((0, 2))", "np.zeros((5, 0))", "np.zeros(())", "np.zeros((60, 2))",
    "np.random.default_rng(0).normal(size=(60, 2))", "np.full((60, 2), np.nan)", "np.full((60, 2), np.inf)",
    "np.zeros((60, 2), complex)", "np.array([['a', 'b']] * 9)", "np.array([[None, 1.0]] * 9)", "np.ones((60, 2), '>f8')",
    "np.ones((60, 2), np.float16)", "np.full((9, 2), 2**64 - 1, np.uint64)", "np.ones((9, 2), np.longdouble)",
    "np.ma.masked_array(np.ones((9, 2)), mask=[[True, False]] * 9)", "np.ones((9, 2), 'M8[s]')", "np.ones((60, 3))",
    "np.asfortranarray(np.arange(120.0).reshape(60, 2))", "np.arange(120.0).reshape(60, 2)[::-1]", "iter([[1.0, 2.0]])",
    "np.zeros(9, [('a', float), ('b', int)])", "range(9)", "torch.zeros(0, 2)",
    "torch.zeros(9, 2, dtype=torch.complex64)", "torch.randn(9, 2).to(torch.float8_e4m3fn)", "torch.eye(9, 2).to_sparse()",
    "torch.zeros(9, 2, dtype=torch.uint64)", "torch.zeros(9, 2, device='meta')", "torch.randn(9, 2).bfloat16()",
    "torch.randn(9, 2, requires_grad=True)", "torch.ones(9, 2, dtype=torch.bool)", "torch.randn(9, 2, 2)", "torch.tensor(1.0)",
    "torch.quantize_per_tensor(torch.randn(9, 2), 0.1, 0, torch.qint8)", "torch.nested.nested_tensor([torch.ones(2)])",
    "torch.utils.data.TensorDataset(torch.randn(60, 2))", "torch.utils.data.DataLoader(torch.randn(60, 2), batch_size=7)",
    "torch.randint(0, 3, (60, 2))", "torch.randint(0, 3, (60, 2), dtype=torch.int8)", "-torch.ones(9, 2).long()",
    "__import__('pandas').DataFrame({'a': [1.0, 2.0] * 30, 'b': [2.0, 1.0, 3.0] * 20})",
    "__import__('pandas').DataFrame({'a': ['x', 'y'] * 30})", "__import__('pandas').DataFrame()",
    "__import__('pandas').DataFrame([[1.0, 2.0]] * 30, columns=['a', 'a'])",
    "__import__('pandas').DataFrame({'a': [1.0, None] * 30, 'b': 1.0})", "__import__('pandas').Series([1.0, 2.0] * 30)",
    "__import__('polars').DataFrame({'a': [1.0, 2.5] * 30, 'b': [2, 1, 3] * 20})", "__import__('polars').DataFrame()",
    "__import__('pyarrow').table({'a': [1.0, 2.5] * 30})", "1e300 * torch.randn(60, 2).double()", GOOD, GOOD, GOOD,
)  # fmt: skip
VALUES = (
    "None", "0", "1", "2", "-1", "1.5", "float('nan')", "float('inf')", "10**30", "2**64", "'1'", "''", "[]", "(3,)", "True",
    "np.int64(2)", "torch.tensor(2)", "object()", "lambda: 1", "{}", "'cpu'", "b'x'", "1j",
)  # fmt: skip
SPACES = (
    "loglik.Real((2,))", "loglik.Real(2)", "loglik.Real(())", "loglik.Real((0,))", "loglik.Real((-1,))", "loglik.Real(None)",
    "loglik.Real((1.5,))", "loglik.Real('2')", "loglik.Real((10**9,))", "loglik.Integer((2,), 3)", "loglik.Integer((2,), 1)",
    "loglik.Integer((2,), 2.5)", "loglik.Integer((2,), None)", "loglik.Integer((2,), 10**12)", "loglik.Category((2,), 3)",
    "loglik.Category((2,), float('nan'))", "None", "(2,)", "'real'", "loglik.Integer((1, 4, 4), 4)", "loglik.Category((16,), 5)",
)  # fmt: skip
MODELS = (
    "gaussian", "histogram", "uniform", "gmm", "made", "ppca", "realnvp", "nice", "maf", "nsf", "vae", "fvsbn", "char-rnn",
    "pixelcnn", "transformer", "wavenet", "ride", "glow", "cnf", "iaf",
)  # fmt: skip
HYPERPARAMETERS = ("hidden", "layers", "components", "latents", "dropout", "width", "bins", "masks", "heads", "rank", "x")
FIT = ("steps", "epochs", "budget", "batch", "lr", "clip", "ema", "patience", "seed", "valid", "context", "precision", "x")


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    data, value = st.sampled_from(DATA), st.sampled_from(VALUES)
    model = f"m = loglik.build('{draw(mostly('gaussian', 'gmm', 'made'))}', loglik.Real((2,)))\n"
    fitted = f"{model}x = {GOOD}\nloglik.fit(m, x, steps=2)\n"
    ready = fitted if draw(st.booleans()) else model
    options = ", ".join(f"{draw(st.sampled_from(FIT))}={draw(value)}" for _ in range(draw(st.sampled_from((0, 0, 1)))))
    name = draw(mostly(draw(st.sampled_from(MODELS)), "", "gaus", "Gaussian"))
    call = draw(
        st.sampled_from((
            lambda: f"loglik.build({name!r}, {draw(st.sampled_from(SPACES))}, {draw(_hyperparameters())})",
            lambda: f"loglik.build({draw(value)}, loglik.Real((2,)))",
            lambda: f"{model}loglik.fit(m, {draw(data)}, **dict(steps=2, {options}))".replace("steps=2, steps", "steps"),
            lambda: f"{ready}loglik.evaluate(m, {draw(data)})",
            lambda: f"{ready}loglik.evaluate(m, x, samples={draw(value)}, seed={draw(value)})" if ready == fitted else ready,
            lambda: f"{fitted}m.log_prob({draw(data)})" if "made" not in fitted else f"{fitted}m({draw(data)})",
            lambda: f"{fitted}m.log_likelihood({draw(data)}, {draw(data)})",
            lambda: f"{fitted}m.sample({draw(value)})",
            lambda: f"{fitted}loglik.sample(m, {draw(value)}, seed={draw(value)})",
            lambda: f"{fitted}loglik.sample(m, 2, context={draw(data)})",
            lambda: f"{fitted}loglik.sample(m, 2, temperature={draw(value)}, top_k={draw(value)})",
            lambda: f"{fitted}loglik.save(m, {draw(st.sampled_from((chr(39) + 'new' + chr(39), *VALUES[:12], chr(39) + 't.csv' + chr(39))))})",
            lambda: f"loglik.load({draw(st.sampled_from(('None', '3', chr(39) * 2, repr('t.csv'), repr('run'), repr('nowhere'))))})",
            lambda: f"loglik.data.open_dataset({draw(data)})",
            lambda: f"loglik.data.hold_out({draw(data)})",
            lambda: f"loglik.compare({draw(st.sampled_from(('[]', 'None', '3', repr('gaussian'), '[None]', '[3]', repr(['gaussian']))))}, {draw(data)}, budget=1)",
            lambda: f"loglik.check({draw(value)})",
            lambda: f"loglik.register({draw(value)}, {draw(value)})",
        ))
    )()  # fmt: skip
    files = {**tiny.run("table"), "t.csv": tiny.TABLE.encode()}
    return Attempt((PYTHON, call), files, makes=("new",))


@st.composite
def _hyperparameters(draw: st.DrawFn) -> str:
    usual = ", ".join(f"{draw(st.sampled_from(HYPERPARAMETERS))}={draw(st.sampled_from(VALUES))}" for _ in range(1))
    return str(draw(mostly("", usual, share=2)))
