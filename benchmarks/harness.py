"""Side-by-side timing: every contender takes its turn in every round, and only ratios within a round are judged.

Machines are shared and have slow moments. Most of them slow all contenders of a round alike, so

    ratio = median over rounds of (peer's time / our time in the same round),   with its smallest and largest value

says more than any time in milliseconds; how busy other processes were is recorded beside it. A contender that is not
installed, or whose own factors fail, is reported, never fatal.
"""

import datetime
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

OURS = "loglik"
TURN = 4  # timed steps in a row of one contender, before the next one's turn
NOISY = 0.2  # cores; with more work elsewhere, peers whose threads spin look slower than they are


@dataclass(frozen=True)
class Contender:
    """`step` does the work once; `value` is a number all contenders must agree on after the same number of steps.

    A contender too slow to do the whole work does a `share` of it, and its time is extrapolated; the record says so.
    """

    step: Callable[[], object]
    value: Callable[[], float]
    share: float = 1.0


@dataclass(frozen=True)
class Row:
    """One line of the table: name -> how to set a contender up, ours among them under `OURS`.

    A set-up raises ImportError where its library is missing. `bars` are the ratios to reach and `agree` the largest
    relative differences of the values to ours, for the peers that have one.
    """

    name: str
    contenders: Mapping[str, Callable[[], Contender]]
    bars: dict[str, float]
    agree: dict[str, float] = field(default_factory=dict)
    packages: tuple[str, ...] = ("torch", "numpy")


def measure(row: Row, rounds: int) -> dict[str, Any]:
    """Set up, warm up once, then `rounds` rounds; the record as JSON holds it."""
    ready: dict[str, Contender] = {}
    missing: dict[str, str] = {}
    for name, prepare in row.contenders.items():
        try:
            ready[name] = prepare()
        except ImportError as error:
            missing[name] = f"not installed ({error})"
    for name, contender in [*ready.items()]:
        try:
            contender.step()
        except RuntimeError as error:
            if name == OURS:
                raise
            missing[name] = f"failed ({str(error).splitlines()[0]})"
            del ready[name]
    times: dict[str, list[float]] = {name: [] for name in ready}
    order = list(ready)
    others = OtherWork()
    for _ in range(rounds):
        order = order[1:] + order[:1]  # nobody always runs after the same neighbour
        for name in order:
            times[name].append(timed(ready[name].step) / ready[name].share)
    busy_elsewhere = others.cores()
    values = {name: contender.value() for name, contender in ready.items()}
    return {
        "row": row.name,
        "rounds": rounds,
        "ms": {name: statistics.median(ts) for name, ts in times.items()},
        "ratios": {peer: compare(times[peer], times[OURS], row.bars.get(peer)) for peer in ready if peer != OURS},
        "values": values,
        "agreement": {peer: agreement(values, peer, row.agree.get(peer)) for peer in ready if peer != OURS},
        "missing": missing,
        "extrapolated": {name: contender.share for name, contender in ready.items() if contender.share < 1.0},
        "busy_elsewhere": busy_elsewhere,
        **surroundings(row.packages),
    }


def timed(step: Callable[[], object]) -> float:
    """Milliseconds of one step, the mean of a turn of several; the garbage collector waits meanwhile.

    Nobody takes one step alone, and the first of a turn is not counted: there the thread pool of the contender before
    may still be spinning, and our own has to wake up.
    """
    gc.collect()
    gc.disable()
    step()
    start = time.perf_counter()
    for _ in range(TURN):
        step()
    milliseconds = (time.perf_counter() - start) * 1e3 / TURN
    gc.enable()
    return milliseconds


def compare(peer: list[float], ours: list[float], bar: float | None) -> dict[str, Any]:
    ratios = [theirs / mine for theirs, mine in zip(peer, ours, strict=True)]
    median = statistics.median(ratios)
    verdict = None if bar is None else median >= bar
    return {"median": median, "min": min(ratios), "max": max(ratios), "bar": bar, "reached": verdict}


def agreement(values: dict[str, float], peer: str, tolerance: float | None) -> dict[str, Any]:
    difference = abs(values[peer] - values[OURS]) / abs(values[OURS])
    verdict = None if tolerance is None else difference <= tolerance
    return {"relative_difference": difference, "tolerance": tolerance, "reached": verdict}


def surroundings(packages: tuple[str, ...]) -> dict[str, Any]:
    """Where and with what the row was measured."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    threads = {"threads": torch.get_num_threads(), "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "")}
    return {"versions": versions, "cpu": cpu_name(), **threads, "date": now}


class OtherWork:
    """How many cores other processes kept busy since this was made; None where the system does not say."""

    def __init__(self) -> None:
        self.start = self.seconds()
        self.clock = time.perf_counter()

    def cores(self) -> float | None:
        now = self.seconds()
        if now is None or self.start is None:
            return None
        return max(0.0, round((now - self.start) / (time.perf_counter() - self.clock), 2))

    @staticmethod
    def seconds() -> float | None:
        """Processor seconds spent by everyone, less our own and our children's."""
        stat = Path("/proc/stat")
        if not stat.exists():
            return None
        user, nice, system = map(int, stat.read_text().split()[1:4])
        own = os.times()
        ours = own.user + own.system + own.children_user + own.children_system
        return (user + nice + system) / os.sysconf("SC_CLK_TCK") - ours


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def passed(record: dict[str, Any]) -> bool:
    """Whether every bar and every agreement that could be judged was reached."""
    verdicts = [entry["reached"] for kind in ("ratios", "agreement") for entry in record[kind].values()]
    return all(verdict is not False for verdict in verdicts)


def table_lines(record: dict[str, Any]) -> list[str]:
    """What the row says, for people."""
    lines = [f"{record['row']}: {record['ms'][OURS]:.1f} ms   ({record['rounds']} rounds, {record['threads']} threads)"]
    for peer, ratio in record["ratios"].items():
        agree = record["agreement"][peer]
        bar = "" if ratio["bar"] is None else f", bar {ratio['bar']:g}: {'reached' if ratio['reached'] else 'MISSED'}"
        lines.append(
            f"  {peer:<20} {record['ms'][peer]:8.1f} ms   {ratio['median']:5.1f}x  "
            f"({ratio['min']:.1f}..{ratio['max']:.1f}{bar})   values differ by {agree['relative_difference']:.1e}"
            + (" TOO MUCH" if agree["reached"] is False else "")
        )
    lines += [f"  {peer:<20} {reason}" for peer, reason in record["missing"].items()]
    if (record["busy_elsewhere"] or 0.0) > NOISY:
        lines.append(
            f"  other processes kept {record['busy_elsewhere']:g} cores busy: measure again on a quiet machine"
        )
    return lines


def write(record: dict[str, Any], folder: Path, command: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record['row']}.json"
    path.write_text(json.dumps({**record, "command": command}, indent=2) + "\n")
    return path
