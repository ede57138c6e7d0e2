"""Recorded runs: python -m tests.recorded [--strict] [NAME ...].

Writes the runs anew, all of them or those named: only where a number is meant to change. `--strict` writes nothing: it
computes all numbers again and prints, run by run, the largest difference from the record, by the largest number
recorded; on the machine that recorded they agree to 1e-12. The exit code is 1 where they do not.
"""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")  # before torch is loaded: sums in one order
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

STRICT = 1e-12
MACHINE = HERE / "runs" / "machine.json"


def main() -> int:
    from recorded_cases import RECORDED
    from recording import record

    parser = argparse.ArgumentParser(prog="python -m tests.recorded", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--strict", action="store_true")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(RECORDED):
        parser.error(f"no such run: {', '.join(sorted(unknown))}")
    names = asked.names or list(RECORDED)
    if asked.strict:
        return strict(names)
    for name in names:
        record(name, RECORDED[name])
        print(name, flush=True)
    MACHINE.write_text(json.dumps(machine(), indent=2) + "\n")
    return 0


def strict(names: list[str]) -> int:
    from recording import RUNS, differences, recorded

    import loglik

    then, now = json.loads(MACHINE.read_text()), machine()
    for what in then:
        if then[what] != now[what]:
            print(f"recorded with {what} {then[what]}, here {now[what]}: expect differences of rounding")
    failed = 0
    for name in names:
        found = differences(loglik.load(RUNS / name), recorded(name))
        worst = max(found, key=lambda key: found[key])
        over = {key: f"{value:.1e}" for key, value in found.items() if value > STRICT}
        failed += bool(over)
        print(f"{name:<26} {found[worst]:.1e}" + (f"   DIFFERS {over}" if over else ""), flush=True)
    print(f"{len(names) - failed} of {len(names)} runs agree to {STRICT:g}")
    return 1 if failed else 0


def machine() -> dict[str, str]:
    """What the last digits depend on."""
    import torch

    return {
        "processor": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    sys.exit(main())
