"""The continuous flow of benchmarks.cnf with diffrax: a jitted step, the batch as one state, its default adjoint."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from benchmarks.harness import Contender


def training(net: nn.Module, x: Tensor, *, exact: bool, tolerance: float, lr: float) -> Contender:
    """A step of Adam on the negative log-likelihood of x (B, D), from the weights of `net`.

    Raises:
        ImportError: jax, diffrax or optax is missing.
    """
    import jax
    import jax.numpy as jnp
    import optax

    weights = [
        {"w": jnp.asarray(layer.weight.detach().numpy()), "b": jnp.asarray(layer.bias.detach().numpy())}
        for layer in net.modules()
        if isinstance(layer, nn.Linear)
    ]
    events = jnp.asarray(x.numpy())
    log_prob = density(exact=exact, tolerance=tolerance)
    optimizer = optax.adam(lr)

    @jax.jit  # type: ignore[untyped-decorator]
    def update(weights: Any, state: Any, key: Any) -> tuple[Any, Any]:
        gradients = jax.grad(lambda weights: -log_prob(weights, events, key).mean())(weights)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(weights, updates), state

    state, key = optimizer.init(weights), jax.random.key(0)
    value = jax.jit(lambda weights, key: log_prob(weights, events, key).mean())

    def step() -> None:
        nonlocal weights, state, key
        key, now = jax.random.split(key)
        weights, state = jax.block_until_ready(update(weights, state, now))

    return Contender(step, value=lambda: float(value(weights, key)))


def density(*, exact: bool, tolerance: float) -> Callable[[Any, Any, Any], Any]:
    """weights, x (B, D), key -> log p(x), (B,)."""
    import diffrax
    import jax
    import jax.numpy as jnp

    def field(weights: Any, t: Any, x: Any) -> Any:
        h = jnp.append(x, t)
        for layer in weights[:-1]:
            h = jnp.tanh(layer["w"] @ h + layer["b"])
        return weights[-1]["w"] @ h + weights[-1]["b"]

    def of_one(weights: Any, t: Any, x: Any, probe: Any) -> tuple[Any, Any]:
        f, pull = jax.vjp(lambda x: field(weights, t, x), x)
        if exact:
            (rows,) = jax.vmap(pull)(jnp.eye(len(x)))
            return f, jnp.trace(rows)
        return f, pull(probe)[0] @ probe

    def motion(t: Any, state: Any, given: Any) -> Any:
        weights, probes = given
        return jax.vmap(of_one, in_axes=(None, None, 0, 0))(weights, t, state[0], probes)

    def log_prob(weights: Any, x: Any, key: Any) -> Any:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(motion),
            diffrax.Dopri5(),
            t0=0.0,
            t1=1.0,
            dt0=None,
            y0=(x, jnp.zeros(len(x))),
            args=(weights, jax.random.normal(key, x.shape)),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
        )
        z, log_det = solution.ys[0][-1], solution.ys[1][-1]
        return jax.scipy.stats.norm.logpdf(z).sum(1) + log_det

    return log_prob
