"""Streams that nobody reads, that cannot show a character, or that are closed: the work is done all the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TABLE = "größe,☃\n" + "".join(f"{i % 7}.5,{i % 3 + i / 60}\n" for i in range(60))
FIT = ["fit", "t.csv", "--model", "gaussian", "-o", "r"]


def command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "loglik", *arguments]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize("arguments", [["models"], ["--help"], FIT], ids=" ".join)
def test_a_reader_who_has_seen_enough_ends_the_command_quietly(arguments: list[str], here: Path) -> None:
    """As `| head -1` does; here nobody reads from the beginning."""
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        command(arguments), stdout=writing, stderr=subprocess.PIPE, cwd=here, text=True, check=False
    )
    os.close(writing)
    assert result.returncode == 0
    for word in ("Traceback", "ignored", "Broken"):
        assert word not in result.stderr
    assert arguments != FIT or (here / "r" / "model.safetensors").exists()


def test_a_fit_whose_talk_nobody_reads_goes_on(here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(command(FIT), stdout=writing, stderr=writing, cwd=here, check=False)
    os.close(writing)
    assert result.returncode == 0
    assert '"finished"' in (here / "r" / "run.json").read_text()


def test_closed_streams_are_not_taken_for_files(here: Path) -> None:
    shell = f"exec {sys.executable} -m loglik {' '.join(FIT)} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", shell], cwd=here, check=False).returncode == 0
    assert '"finished"' in (here / "r" / "run.json").read_text()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_a_terminal_cannot_show_is_replaced(encoding: str, here: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    result = subprocess.run(command(["data", "t.csv"]), capture_output=True, cwd=here, env=environment, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    result = subprocess.run(command(["fit", "größe☃.csv"]), capture_output=True, cwd=here, env=environment, check=False)
    assert result.returncode == 11
    assert b"\\u2603.csv" in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_ctrl_c_ends_with_130_in_one_line(here: Path) -> None:
    arguments = ["fit", "t.csv", "--model", "realnvp", "--budget", "60s", "--option", "save_seconds=0", "-o", "r"]
    process = subprocess.Popen(command(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here, text=True)
    while not (here / "r" / "training.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("Interrupted. Continue with: loglik fit t.csv -o r --resume")
    assert "Traceback" not in said


READ_ONLY = """
import os, tempfile
from numba.core import caching

def ensure(self, place=tempfile.gettempdir(), honest=caching._CacheLocator.ensure_cache_path):
    if not self.get_cache_path().startswith(place):
        raise OSError("read-only")
    honest(self)

caching._CacheLocator.ensure_cache_path = ensure
import numba, numpy as np
from loglik.compiled.math import add_product
y = np.zeros(2)
add_product(y, np.ones(3), np.ones((3, 2)))
assert y.tolist() == [3.0, 3.0]
assert os.listdir(numba.config.CACHE_DIR)
print(numba.config.CACHE_DIR, end="")
"""


def test_an_installation_that_cannot_be_written_compiles_into_a_folder_that_is_removed(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    result = subprocess.run(
        [sys.executable, "-c", READ_ONLY], capture_output=True, text=True, env=environment, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert Path(result.stdout).parent == tmp_path
    assert not Path(result.stdout).exists()
