"""Several processes that fit one model, under `torchrun`: what they add up, and what they agree on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor, distributed

from loglik.contract import Model, Stats
from loglik.data import Source
from loglik.data.share import Share


def together() -> bool:
    """Whether this process is one of several that work on the same fit."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


@contextmanager
def joined() -> Iterator[int]:
    """Within the block the processes that `torchrun` started work together; the number of this one, alone it is 0."""
    if together():
        yield distributed.get_rank()
    elif not distributed.is_available() or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield 0
    else:
        distributed.init_process_group("gloo")
        try:
            yield distributed.get_rank()
        finally:
            distributed.destroy_process_group()


def own_share(source: Source) -> Source:
    """The rows that this process takes, where several are given the same source; all where it is alone."""
    return Share(source, distributed.get_rank(), distributed.get_world_size()) if together() else source


def summed_over_processes(stats: Stats) -> Stats:
    """The statistics of the rows of all processes: all but `shift`, which they share. Those of one stay as they are."""
    if not together():
        return stats
    stats = stats.of_fixed_size()
    totals: dict[str, Tensor] = {}
    for name in (field.name for field in fields(stats) if field.name != "shift"):
        totals[name] = getattr(stats, name).clone()
        distributed.all_reduce(totals[name])
    return replace(stats, **totals)


def any_process(asked: bool) -> bool:
    """Whether it is so in any of the processes."""
    if not together():
        return asked
    found = torch.tensor(float(asked))
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return bool(found)


@torch.no_grad()
def agree(model: Model) -> None:
    """Give every process the parameters and buffers of the first one."""
    if together():
        for tensor in [*model.parameters(), *model.buffers()]:
            distributed.broadcast(tensor, src=0)
