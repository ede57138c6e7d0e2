"""Check what a user's own model returns, where the rest of the package relies on the contract."""

from torch import Tensor

from loglik.arguments.ranges import shown
from loglik.contract import Model
from loglik.errors import BadModel, UsageError


def check_model(model: object) -> None:
    """Raises UsageError for what is no model: a name, a class, a module of another library."""
    if isinstance(model, Model):
        return
    if isinstance(model, type) and issubclass(model, Model):
        raise UsageError(f"Expected a model; got its class {model.__name__}. Make one: {model.__name__}(...).")
    advice = f"loglik.build({model!r}, space)" if isinstance(model, str) else "loglik.build(name, space)"
    raise UsageError(f"Expected a model, such as {advice} makes or a subclass of loglik.Model; got {shown(model)}.")


def scores_of(model: Model, values: object, rows: int, method: str = "log_likelihood") -> Tensor:
    """The scores that a model returned, checked to be one number for each row.

    Raises:
        BadModel: a tensor of another shape, or no tensor.
    """
    if not isinstance(values, Tensor):
        raise BadModel(
            f"Expected {type(model).__name__}.{method} to return a tensor ({rows},), one number for each row; got "
            f"{shown(values)}."
        )
    if tuple(values.shape) != (rows,) or not values.is_floating_point():
        raise BadModel(
            f"Expected {type(model).__name__}.{method} to return ({rows},), one number for each row; got "
            f"{tuple(values.shape)} of {values.dtype}. Sum over everything but the batch axis."
        )
    return values


def objective_of(model: Model, values: object, rows: int) -> Tensor:
    """As `scores_of`, of what training maximises: it must depend on a parameter, or there is nothing to train."""
    objective = scores_of(model, values, rows, "objective")
    if not objective.requires_grad:
        raise BadModel(
            f"Expected {type(model).__name__}.objective to depend on the model's parameters; got values without a "
            "gradient. Compute them from the parameters, without detach() or no_grad()."
        )
    return objective


def draws_of(model: Model, x: object, n: int) -> Tensor:
    """The samples that a model drew, checked to be n events of its space's shape.

    Raises:
        BadModel: a tensor of another shape, or no tensor.
    """
    wanted = (n, *model.space.shape)
    if not isinstance(x, Tensor) or tuple(x.shape) != wanted:
        got = f"{tuple(x.shape)}" if isinstance(x, Tensor) else shown(x)
        raise BadModel(f"Expected {type(model).__name__}.sample({n}) to return events {wanted}; got {got}.")
    return x
