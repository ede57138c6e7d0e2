"""The memory at hand, and the check that stands before anything large is allocated."""

import os
import sys
from pathlib import Path

from loglik.errors import TooLarge

CGROUPS = Path("/sys/fs/cgroup")


def memory_at_hand() -> int:
    """Bytes that this process can still allocate: what the system has free, within the limits of container and user.

    Where the system does not tell, all of its memory; where it tells nothing at all, no limit.
    """
    known = [_free(), _container(), _address_space()]
    return max(0, min((figure for figure in known if figure is not None), default=sys.maxsize))


def check_memory(needed: float, what: str, advice: str) -> None:
    """Refuse what takes more bytes than there are.

    Args:
        what: takes them, such as "t.csv, about 10 rows of 3 columns,". advice: what to do, a sentence.

    Raises:
        TooLarge: with both figures.
    """
    at_hand = memory_at_hand()
    if needed > at_hand:
        raise TooLarge(
            f"Expected {what} to fit into the {in_bytes(at_hand)} of memory at hand; it would take about "
            f"{in_bytes(needed)}. {advice}"
        )


def in_bytes(count: float) -> str:
    """A number of bytes as people write it: 3.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            return f"{count:.3g} {unit}" if count < 1000 else f"{count:.3g} PB"
        count /= 1000
    raise AssertionError


def _free() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _container() -> int | None:
    """What the control group of this process has left; files held in memory give way and do not count."""
    try:
        own = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    places = [CGROUPS, *(CGROUPS / line.split("::")[1].lstrip("/") for line in own if "::" in line)]
    left = []
    for place in places:
        try:
            limit = (place / "memory.max").read_text().strip()
            if limit == "max":
                continue
            used = int((place / "memory.current").read_text())
            facts = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
            left.append(int(limit) - used + int(facts.get("inactive_file", 0)) + int(facts.get("active_file", 0)))
        except (OSError, ValueError):
            continue
    return min(left, default=None)


def _address_space() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit - pages * resource.getpagesize()
