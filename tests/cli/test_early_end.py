"""A command that ends early ends with its own exit code: no thread of a library aborts the process on its way out.

A thread that waits for the interpreter while that ends is killed, and C++ code that may not be left so calls abort():
"terminate called without an active exception", exit code 134. The window is some thousandths of a second, so the tests
run many ends, each on one core and with threads that wait longer for the interpreter, which made every fourth abort.
"""

import subprocess
import sys
from pathlib import Path

import pytest

UNFIT = "a,b\n1,2\n3,4\n5,inf\n"  # refused while the file is still open

# Children are forked before pyarrow is imported, so each has threads of its own and ends as a process does.
ENDS = """
import os, sys
from loglik.data.formats.tables.csv import CsvReader

for _ in range({times}):
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            sys.exit(f"ended with {{code}}")
        continue
    os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
    sys.setswitchinterval(0.3)
    next(CsvReader({path!r}, "t.csv").read(["a", "b"], 10))
    break
"""


@pytest.mark.skipif(sys.platform != "linux", reason="binds a process to one core")
def test_a_process_that_leaves_a_table_half_read_ends_well(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(UNFIT)
    script = ENDS.format(times=16, path=str(tmp_path / "t.csv"))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["fit", "t.csv"], 14),
        (["compare", "t.csv"], 14),
        (["fit", "ragged.csv"], 17),
        (["score", "none", "digits"], 21),
        (["fit", "digits", "--model", "none"], 3),
        (["fit", "digits", "--model", "made", "--set", "none=1", "-o", "new"], 3),
    ],
)
def test_refusals_end_with_their_own_exit_code(tmp_path: Path, arguments: list[str], code: int) -> None:
    (tmp_path / "t.csv").write_text(UNFIT)
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
    command = [sys.executable, "-m", "loglik", *arguments]
    for _ in range(20):
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stderr
        assert result.stderr.count("\n") == 1
