"""The whole state of a training in one file: restored, the run continues bit for bit as the unbroken one would."""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from loglik.arguments.memory import check_memory
from loglik.errors import CorruptRun, RunMismatch
from loglik.records import Record
from loglik.storage.reading import Kind, check_kinds, read_kinds, read_tensors
from loglik.storage.schema import check, fields_of, listed, none_or, number, table, whole
from loglik.storage.weights import put_weights, rebuilt_names
from loglik.storage.writing import write_tensors
from loglik.training.gradient import GradientTraining
from loglik.training.history import History, Start, Step
from loglik.training.looks import LEAST_ROWS, Candidate, Looks
from loglik.training.options import Options
from loglik.training.schedule import Fall

STEP, SECONDS = whole(0, 1 << 53), number(0.0)
COUNTERS = {"step": STEP, "recent": listed(number()), "seconds": SECONDS, "step_seconds": SECONDS}
LOOK_COUNTERS = {
    "step": STEP, "progress": number(0.0), "not_better": STEP, "seconds": SECONDS, "last_seconds": SECONDS,
}  # fmt: skip
LOOKS = table({"rows": whole(1), "steps": listed(STEP, most=2), "counters": table(LOOK_COUNTERS)})
STARTS = listed(fields_of(Start, finite=False, seed=whole(0, (1 << 64) - 1), trace=listed(number(finite=False))))
HISTORY = fields_of(History, finite=False, rows=listed(fields_of(Step, finite=False)), starts=STARTS)
ABOUT = table(
    {
        "options": fields_of(Options, seed=whole(0, (1 << 64) - 1)),
        "counters": table(COUNTERS),
        "batch": whole(1),
        "fall": none_or(fields_of(Fall, step=STEP, steps=whole(1))),
        "looks": none_or(LOOKS),
        "history": HISTORY,
    }
)


def save_state(path: Path, training: GradientTraining) -> None:
    """Weights, averages, best weights, optimiser moments, what streams remember, and random generators.

    Written whole or not at all.
    """
    write_tensors(path, _tensors(training), _about(training))


def _tensors(training: GradientTraining) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {"rng.cpu": torch.get_rng_state()}
    if training.model.device.type == "cuda":
        tensors["rng.cuda"] = torch.cuda.get_rng_state(training.model.device)
    tensors |= {f"model.{name}": t for name, t in training.model.state_dict().items()}
    if training.carried is not None:
        tensors["carried"] = training.carried
    tensors |= {f"average.{i}": t for i, t in enumerate(training.average.average)}
    for i, moments in training.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": t for name, t in moments.items()}
    for place, kept in enumerate(training.looks.candidates if training.looks else ()):
        tensors |= {f"kept.{place}.weights.{name}": t for name, t in kept.weights.items()}
        tensors[f"kept.{place}.values"] = kept.values
    if training.looks is not None and training.looks.highest is not None:
        tensors["highest"] = training.looks.highest
    return tensors


def _about(training: GradientTraining) -> Record:
    looks = training.looks
    return {
        "options": dataclasses.asdict(training.options),
        "counters": {name: getattr(training, name) for name in COUNTERS},
        "batch": training.batch,
        "fall": training.fall and dataclasses.asdict(training.fall),
        "looks": looks
        and {
            "rows": looks.part.rows,
            "steps": [kept.step for kept in looks.candidates],
            "counters": {name: getattr(looks, name) for name in LOOK_COUNTERS},
        },
        "history": training.history.to_json(),
    }


def restore_state(path: Path, training: GradientTraining) -> None:
    """Put a training, newly made for the same model, data and options, where the saved one was.

    All that the file holds is checked first: it sets what `save_state` saves, and nothing else.

    Raises:
        RunMismatch: the options are others than the saved ones.
        CorruptRun, PickleRefused, RunNotFound: see `storage.reading`.
    """
    check_memory(2.0 * sum(kind.size for kind in read_kinds(path).values()), str(path), "Train on a larger machine.")
    tensors, about = read_tensors(path)
    check(about, ABOUT, str(path))
    check_options(about["options"], training)
    check_prior(about["history"].get("prior"), training.history.prior)
    structure = tuple(f".{name}" for name in rebuilt_names(training.model))  # files of earlier versions hold it too
    tensors = {name: t for name, t in tensors.items() if not name.endswith(structure)}
    check_kinds({name: Kind.of(t) for name, t in tensors.items()}, _kinds(path, training, tensors, about), str(path))
    for name, value in about["counters"].items():
        setattr(training, name, value)
    training.history = History.from_json(about["history"])
    if training.history.interrupted:
        training.history.stopped = ""
    training.batches.size = about["batch"]
    training.fall = about["fall"] and Fall(**about["fall"])
    if training.looks is not None:
        _restore_looks(path, training.looks, tensors, about["looks"])
    put_weights(training.model, _part(tensors, "model"), str(path))
    for i, average in enumerate(training.average.average):
        average.copy_(tensors[f"average.{i}"])
    carried = tensors.get("carried")
    training.carried = None if carried is None else carried.to(training.model.device)
    _restore_optimizer(training.optimizer, _part(tensors, "optimizer"))
    try:
        torch.set_rng_state(tensors["rng.cpu"])
        if "rng.cuda" in tensors and training.model.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["rng.cuda"], training.model.device)
    except RuntimeError as error:
        raise CorruptRun(f"{path} holds no state of a random generator ({error}). Fit again.") from None


def _kinds(path: Path, training: GradientTraining, found: dict[str, Tensor], about: Record) -> dict[str, Kind]:
    """The type and shape that every tensor of a state of this training has; of some, only the file knows the length."""
    looks, most = training.looks, max(training.batches.size, training.batches.source.rows)
    if (looks is None) != (about["looks"] is None) or about["batch"] > most:
        raise CorruptRun(f"{path} is the state of a training on other rows. Fit again.")
    model = {name: Kind.of(t) for name, t in training.model.state_dict().items()}
    kinds = {"rng.cpu": Kind.of(torch.get_rng_state())}
    kinds |= {f"model.{name}": kind for name, kind in model.items()}
    kinds |= {f"average.{i}": Kind.of(t) for i, t in enumerate(training.average.average)}
    if looks is not None:
        rows = Kind(torch.float64, (min(looks.valid.rows, max(LEAST_ROWS, about["looks"]["rows"])),))
        kinds |= {"highest": rows} if "highest" in found else {}
        for place in range(len(about["looks"]["steps"])):
            kinds |= {f"kept.{place}.weights.{name}": kind for name, kind in model.items()}
            kinds[f"kept.{place}.values"] = rows
    kinds |= _kinds_of_moments(training.optimizer, found)
    if "rng.cuda" in found:
        kinds["rng.cuda"] = Kind(torch.uint8, tuple(found["rng.cuda"].shape))
    if "carried" in found and training.batches.carry:
        kinds["carried"] = _kind_of_carried(training, min(about["batch"], *found["carried"].shape[:1]))
    return kinds


def _kinds_of_moments(optimizer: torch.optim.Optimizer, found: dict[str, Tensor]) -> dict[str, Kind]:
    """Those of the parameters that have been updated."""
    kinds: dict[str, Kind] = {}
    for i, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        if f"optimizer.{i}.step" in found:
            moments = {"step": Kind(torch.float32, ()), "exp_avg": Kind.of(p), "exp_avg_sq": Kind.of(p)}
            kinds |= {f"optimizer.{i}.{name}": kind for name, kind in moments.items()}
    return kinds


def _kind_of_carried(training: GradientTraining, streams: int) -> Kind:
    """What the model remembers of so many streams."""
    x, context = training.batches.at(0)
    with torch.no_grad():
        like = training.model.log_likelihood_from(x[:1], None, None if context is None else context[:1])[1]
    return Kind(like.dtype, (streams, *like.shape[1:]))


def _restore_looks(path: Path, looks: Looks, tensors: dict[str, Tensor], about: Record) -> None:
    looks.limit_rows(about["rows"])
    for name, value in about["counters"].items():
        setattr(looks, name, value)
    looks.highest = tensors.get("highest")
    for place, step in enumerate(about["steps"]):
        weights = _part(tensors, f"kept.{place}.weights")
        put_weights(looks.model, weights, str(path))  # to see that the model can have them
        weights = {name: t.to(looks.model.device) for name, t in weights.items()}
        looks.candidates.append(Candidate(step, weights, tensors[f"kept.{place}.values"]))


def check_options(saved: Record, training: GradientTraining) -> None:
    now = dataclasses.asdict(training.options)
    # When the state is saved changes nothing in the run.
    before = {**dataclasses.asdict(Options()), **saved}  # an option may be younger than the state
    changed = [name for name in now if name != "save_seconds" and now[name] != before[name]]
    if changed:
        name = changed[0]
        raise RunMismatch(
            f"Resuming continues the run as it was started: {name} was {before[name]}; got {now[name]}. "
            "Leave the option out, or start a new run."
        )


def check_prior(saved: object, now: str | None) -> None:
    if saved != now:
        raise RunMismatch(f"Resuming continues the run as it was started: its prior was {saved}; got {now}.")


def _restore_optimizer(optimizer: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, t in flat.items():
        index, moment = name.split(".", 1)
        state.setdefault(int(index), {})[moment] = t
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(prefix + ".")}
