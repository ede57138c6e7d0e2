"""docs/your-model.md is followed to the letter: its file, line and case in a copy of the package, and the laws run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import loglik

ROOT = Path(__file__).parent.parent
SOURCE = Path(loglik.__file__).parent
PAGE = (ROOT / "docs" / "your-model.md").read_text()
FILE, LINE, CASES = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[:3]
COPIED = ("cases.py", "conftest.py", "laws/conftest.py", "laws/test_laws.py")


def run(*words: str, source: Path, folder: Path) -> str:
    """What `python WORDS` prints, in a process that finds its packages in `source`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(source), str(SOURCE.parent)])}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def added(path: Path, after: str, lines: str) -> None:
    """Put lines, indented, after the one that opens a table."""
    head, opening, rest = path.read_text().partition(after)
    assert opening
    path.write_text(head + opening + "".join(f"    {line}\n" for line in lines.splitlines()) + rest)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of what holds it to the laws, with the page's edits."""
    root = tmp_path_factory.mktemp("loglik")
    shutil.copytree(SOURCE, root / "src" / "loglik", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for name in COPIED:
        (root / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / name, root / "tests" / name)
    place = re.search(r"the file `(src/loglik/models/\S+\.py)`", PAGE)
    assert place
    (root / place[1]).write_text(FILE)
    added(root / "src" / "loglik" / "zoo.py", "ZOO: dict[str, Entry] = {\n", LINE)
    added(root / "tests" / "cases.py", "CASES = [\n", CASES)
    return root


def laws(copy: Path) -> subprocess.CompletedProcess[str]:
    """The command of the page."""
    words = re.search(r"^    python (-m pytest .*)$", PAGE, flags=re.MULTILINE)
    assert words
    command = [sys.executable, *words[1].split(), "-p", "no:cacheprovider", "-v"]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)


def test_one_file_one_line_one_case_and_the_laws_hold(copy: Path) -> None:
    done = laws(copy)
    assert done.returncode == 0, done.stdout
    assert f"{CASES.count('Case(')} passed" in done.stdout


def test_the_mistake_of_the_page_is_found(copy: Path) -> None:
    place = copy / "src" / "loglik" / "models" / "baselines" / "student_t.py"
    place.write_text(FILE.replace("tail = -(nu + dims) / 2", "tail = -nu / 2"))
    assert place.read_text() != FILE
    try:
        done = laws(copy)
    finally:
        place.write_text(FILE)
    assert done.returncode != 0
    assert "total mass" in done.stdout


def test_the_model_has_every_command(copy: Path) -> None:
    listed = run("-m", "loglik", "models", "student-t", source=copy / "src", folder=copy)
    assert "nu" in listed
    code = (
        "import torch, loglik; x = torch.distributions.StudentT(3.0).sample((500, 2));"
        "print(loglik.compare(['gaussian', 'student-t'], x, budget='10s', steps=100))"
    )
    board = run("-c", code, source=copy / "src", folder=copy)
    assert re.search(r"1 +student-t", board)
