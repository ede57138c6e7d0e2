"""The contents of run.json in words; missing entries are left out."""

import math
from pathlib import Path

from loglik.contract import Claim
from loglik.records import Record
from loglik.report import wording
from loglik.report.wording import Unit
from loglik.runs.run import read_history
from loglik.score import score_from_json
from loglik.spaces import Space
from loglik.training.history import History
from loglik.uncertainty import carry_the_mean

Facts = list[tuple[str, str]]
WENT = ("method", "stopped", "steps", "epochs", "seconds", "best_step", "best_nats")  # of the history's summary


def facts(record: Record, space: Space) -> Facts:
    about, versions = table(record, "data"), table(record, "versions")
    split = table(about, "split")
    rows = [f"{wording.grouped(int(split[part]))} {part}" for part in ("train", "valid", "test") if part in split]
    facts = [
        ("Data", str(about.get("name") or "")),
        ("Status", ": ".join(str(record[key]) for key in ("status", "error") if record.get(key))),
        ("One event", str(space)),
        ("Rows", " \u00b7 ".join(rows)),
        ("Split", wording.split(split) if split else ""),
        ("Fingerprint", str(about.get("fingerprint") or "")),
        ("Columns", ", ".join(about.get("columns") or [])),
        ("Claim", str(record.get("claim") or "")),
        ("Parameters", wording.count(int(record.get("parameters") or 0))),
        ("Receptive field", _values_before(record)),
        ("Seed", str(seed(record))),
        ("Versions", ", ".join(f"{k} {v}" for k, v in versions.items() if k in ("loglik", "torch", "numpy", "python"))),
        ("Machine", _machine(versions)),
    ]
    return [(name, value) for name, value in facts if value]


def _machine(versions: Record) -> str:
    threads = versions.get("threads")
    counted = f"{threads} thread{'s' * (str(threads) != '1')}" if threads else ""
    return ", ".join(filter(None, [str(versions.get("machine") or ""), counted]))


def _values_before(record: Record) -> str:
    field = record.get("receptive_field")
    return f"the {wording.grouped(int(field))} values before" if field else ""


def hyperparameters(record: Record) -> Facts:
    return [(key, _shown(value)) for key, value in table(table(record, "model"), "hyperparameters").items()]


def fitting(record: Record) -> Facts:
    """How the fit went, and the options that were set; `batch` as it was used, where that is recorded."""
    fit = table(record, "fit")
    history = table(fit, "history")
    went = {key: history[key] for key in WENT if history.get(key) is not None}
    options = {key: value for key, value in table(fit, "options").items() if value is not None}
    batch = history.get("batch")
    used = {} if batch is None else {"batch": batch}
    return [(key.replace("_", " "), _shown(value)) for key, value in {**options, **used, **went}.items()]


def score(fields: Record, unit: Unit) -> dict[str, str]:
    score = score_from_json(fields)
    claim: Claim = score["claim"]
    samples = f", K={score['samples']}" if score.get("samples") else ""
    nats, error = score["nats"], score["stderr"]
    return {
        "past": str(score.get("past") or ""),
        "what": str(score.get("name") or score.get("data") or score.get("part") or "score"),
        "value": f"{unit.sign(claim)} {unit.measured(nats, error)}",
        "nats": f"{wording.OF_NATS[claim]} {wording.plus_minus(nats, error, wording.significant(error))}",
        "claim": f"{claim}{samples}",
        "events": wording.grouped(int(score["events"])) + _units(score) + _carried(score),
        "not_finite": ", ".join(str(row + 1) for row in score.get("not_finite") or []),
    }


def _units(score: Record) -> str:
    """The groups or blocks that the standard error was estimated from; older records do not say."""
    by = score.get("stderr_by", "rows")
    return "" if by == "rows" else f" in {wording.grouped(int(score['stderr_units']))} {by}"


def _carried(score: Record) -> str:
    rows = score.get("carried_by")
    if not rows:
        return ""
    median = wording.number(score["median"], wording.significant(score["stderr"]))
    return f"; {carry_the_mean(rows)}, median {median} nats"


def laws(record: Record) -> list[dict[str, str]]:
    """The recorded answers of `loglik check`."""
    told = record.get("laws") or []
    results = told.get("results", []) if isinstance(told, dict) else told
    keys = ("law", "status", "measured", "tolerance", "detail")
    return [{key: _shown(result.get(key)) for key in keys} for result in results if isinstance(result, dict)]


def seed(record: Record) -> int:
    fit = table(record, "fit")
    return int(fit.get("seed") or table(fit, "options").get("seed") or 0)


def history(folder: Path, record: Record) -> History:
    """The recorded steps; without any where history.csv is missing."""
    summary = table(table(record, "fit"), "history")
    told = History(str(summary.get("method", "")), best_step=summary.get("best_step"))
    told.rows = read_history(folder)
    return told


def table(fields: Record, key: str) -> Record:
    """An entry that should be a table; an empty one where it is missing."""
    value = fields.get(key)
    return value if isinstance(value, dict) else {}


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value)
    return "" if value is None else str(value)
