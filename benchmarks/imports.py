"""What `import loglik` costs beside `import torch`, each in a process of its own."""

import subprocess
import sys

from benchmarks.harness import OURS, Contender, Row


def importing(module: str) -> Contender:
    def step() -> None:
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    return Contender(step, lambda: 1.0)


# At most 15 % more than torch alone: torch's time over ours is at least 1 / 1.15.
ROWS = [
    Row(
        "import",
        {OURS: lambda: importing("loglik"), "torch": lambda: importing("torch")},
        bars={"torch": 1 / 1.15},
        packages=("torch", "loglik"),
    )
]
