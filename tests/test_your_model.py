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
FILE, LINE, CASES = re.findall(r"```(?:python|text)\n(.*?)```", PAGE, flags=re.DOTALL)[:3]
LAWS = re.findall(r"^    python (-m pytest .*)$", PAGE, flags=re.MULTILINE)[0].split()
PLACE = re.findall(r"the file `(src/loglik/models/\S+\.py)`", PAGE)[0]
COPIED = ("cases.py", "conftest.py", "laws/conftest.py", "laws/test_laws.py")


def run(*words: str, folder: Path, source: Path) -> subprocess.CompletedProcess[str]:
    """`python WORDS` in a folder, with the packages in `source`; it inherits nothing from the test that runs."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment = {**ours, "PYTHONPATH": str(source)}
    command = [sys.executable, *words]
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)


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
    (root / PLACE).write_text(FILE)
    added(root / "src" / "loglik" / "zoo.py", "ZOO: dict[str, Entry] = {\n", LINE)
    added(root / "tests" / "cases.py", "CASES = [\n", CASES)
    return root


def test_one_file_one_line_one_case_and_the_laws_hold(copy: Path) -> None:
    done = run(*LAWS, "-rA", folder=copy, source=copy / "src")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^PASSED .*test_laws_hold\[student-t", done.stdout, flags=re.MULTILINE)) == 2


def test_the_mistake_of_the_page_is_found(copy: Path) -> None:
    wrong = FILE.replace("tail = -(nu + dims) / 2", "tail = -nu / 2")
    assert wrong != FILE
    (copy / PLACE).write_text(wrong)
    done = run(*LAWS, folder=copy, source=copy / "src")
    (copy / PLACE).write_text(FILE)
    assert done.returncode == 1
    assert "total mass" in done.stdout


def test_the_model_has_every_command(copy: Path) -> None:
    """Heavy tails are told from light ones, and the hyperparameter is listed."""
    code = (
        "import torch, loglik; x = torch.distributions.StudentT(3.0).sample((500, 2));"
        "print(loglik.compare(['gaussian', 'student-t'], x, budget='10s', steps=100))"
    )
    board = run("-c", code, folder=copy, source=copy / "src")
    assert re.search(r"^1 +student-t", board.stdout, flags=re.MULTILINE), board.stdout + board.stderr
    assert re.search(r"^nu +5\.0", run("-m", "loglik", "models", "student-t", folder=copy, source=copy / "src").stdout,
                     flags=re.MULTILINE)  # fmt: skip
