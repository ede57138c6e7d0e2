"""Two processes that fit one model together: each takes its rows, and both end with the parameters of one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, distributed, multiprocessing

from loglik import Real, build, fit, load
from loglik.data import Memory
from loglik.data.share import Share
from loglik.errors import EmptyData, UsageError
from loglik.runs.run import read_history
from loglik.tasks.assisting import check_together

CASES: dict[str, dict[str, Any]] = {"gaussian": {}, "gmm": {"components": 3}, "ppca": {"latents": 2, "em": True}}


def rows() -> Tensor:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(501, 4, generator=generator, dtype=torch.float64)
    return x @ torch.randn(4, 4, generator=generator, dtype=torch.float64)


def fitted(name: str) -> dict[str, Tensor]:
    weights = torch.arange(501) % 3
    model = build(name, Real((4,)), **CASES[name], seed=0)
    fit(model, rows(), weights=weights, seed=7, steps=12, tolerance=0.0)
    return model.state_dict()


def one_of_two(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save({name: fitted(name) for name in CASES}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_have_the_parameters_of_one(tmp_path: Path) -> None:
    multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    for name in CASES:
        alone = fitted(name)
        for rank in (0, 1):
            together = torch.load(tmp_path / f"{rank}.pt")[name]
            for key, value in alone.items():
                assert torch.allclose(together[key].double(), value.double(), rtol=1e-10, atol=1e-10), (name, key)


def test_shares_are_all_rows_once_whatever_the_batches() -> None:
    whole = Memory(Real((1,)), torch.arange(23.0)[:, None])
    whole.weights = torch.arange(23.0).double()
    for size in (1, 4, 100):
        parts = [Share(whole, place, 3) for place in range(3)]
        got = [(x, w) for part in parts for x, _, w in part.weighted_batches(size)]
        assert torch.cat([x for x, _ in got]).flatten().sort().values.tolist() == list(range(23))
        assert all(w is not None and torch.equal(x[:, 0].double(), w) for x, w in got)
    with pytest.raises(EmptyData, match="each of 24 processes; got 23 rows"):
        Share(whole, 0, 24)


@pytest.mark.slow
def test_the_command_under_torchrun_keeps_one_run(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "t.csv", rows().numpy(), delimiter=",", header="a,b,c,d", comments="")
    words = ["-m", "loglik", "fit", "t.csv", "--model", "gmm", "--set", "components=3", "--steps", "4"]
    several = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    for command in ([sys.executable, *words, "-o", "one"], [*several, *words, "-o", "two"]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    one, two = (load(tmp_path / name).state_dict() for name in ("one", "two"))
    assert all(torch.allclose(two[key], value, rtol=1e-9, atol=1e-9) for key, value in one.items())
    assert [row.nats for row in read_history(tmp_path / "two")] == pytest.approx(
        [row.nats for row in read_history(tmp_path / "one")]
    )


def test_what_several_processes_do_not_do_together() -> None:
    with pytest.raises(UsageError, match="got made, fitted by gradients"):
        check_together("made", resume=False)
    with pytest.raises(UsageError, match="one process to resume"):
        check_together("gmm", resume=True)
