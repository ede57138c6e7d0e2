"""The memory at hand, in figures that people read."""

import sys
from pathlib import Path

import pytest

from loglik.arguments.memory import check_memory, in_bytes, memory_at_hand
from loglik.errors import TooLarge


def test_figures() -> None:
    assert [in_bytes(n) for n in (0, 999, 1000, 3_210_000, 8e14, 4e18)] == [
        "0 bytes", "999 bytes", "1 kB", "3.21 MB", "800 TB", "4e+03 PB",
    ]  # fmt: skip


def test_what_fits_passes_and_what_does_not_is_refused_with_both_figures() -> None:
    assert 1_000_000 < memory_at_hand() < 1e16
    check_memory(1000, "the data", "Take fewer rows.")
    with pytest.raises(
        TooLarge, match=r"the data to fit into the .*B of memory at hand; .* about 1e\+03 PB\. Take fewer"
    ) as caught:
        check_memory(1e18, "the data", "Take fewer rows.")
    assert isinstance(caught.value, MemoryError)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_limit_of_the_process_counts() -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 500_000_000, limits[1]))
    try:
        assert 0 < memory_at_hand() <= 500_000_000
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
