"""docs/your-model.md is followed to the letter: in a copy of the package, and as a package of the user's own."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

import loglik

ROOT = Path(__file__).parent.parent
SOURCE = Path(loglik.__file__).parent
PAGE = (ROOT / "docs" / "your-model.md").read_text()
FILE, LINE, CASES, RECORD, PROBLEM, MISTAKES, ENTRY, PROJECT = re.findall(
    r"```(?:python|text|toml)\n(.*?)```", PAGE, flags=re.DOTALL
)
LAWS, RECORDING, TRYING = (words.split() for words in re.findall(r"^    python (.*)$", PAGE, flags=re.MULTILINE))
COMMANDS = re.findall(r"^    (loglik .*)$", PAGE, flags=re.MULTILINE)
PLACE = re.findall(r"the file `(src/loglik/models/\S+\.py)`", PAGE)[0]
ROOMS = ("tests/recorded", "tests/mutations", "benchmarks/quick")
COPIED = (
    "tests/cases.py",
    "tests/conftest.py",
    "tests/laws/conftest.py",
    "tests/laws/test_laws.py",
    "tests/test_examples.py",
    *(path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).glob("*.py")),
    "benchmarks/__init__.py",
    "pyproject.toml",
)
TABLES = {
    "src/loglik/zoo.py": ("ZOO: dict[str, Entry] = {\n", LINE),
    "tests/cases.py": ("CASES = [\n", CASES),
    "tests/recorded/recorded_cases.py": ("RECORDED = {\n", RECORD),
    "benchmarks/quick/problems.py": ("PROBLEMS = [\n", PROBLEM),
    "tests/mutations/of_latent.py": ("MUTATIONS = (\n", MISTAKES),
}


def run(*words: str, folder: Path, sources: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    """`python WORDS` in a folder, with the packages in `sources`; it inherits nothing from the test that runs."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment = {**ours, "PYTHONPATH": os.pathsep.join(map(str, sources))}
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
    for name in COPIED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / PLACE).write_text(FILE)
    for name, (opening, lines) in TABLES.items():
        assert f"`{name}`" in PAGE
        added(root / name, opening, lines)
    return root


def test_one_file_one_line_one_case_and_the_laws_hold(copy: Path) -> None:
    """The example of the docstring runs, too."""
    done = run(*LAWS, "tests/test_examples.py", "-k", "student", "-rA", folder=copy, sources=[copy / "src"])
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.findall(r"^PASSED .*::(\w+)\[.*student[-_]t", done.stdout, flags=re.MULTILINE)
    assert sorted(passed) == ["test_every_builder_has_an_example", "test_example_runs", *["test_laws_hold"] * 2]


def test_the_instruments_know_it(copy: Path) -> None:
    done = run(*RECORDING, folder=copy, sources=[copy / "src"])
    assert done.stdout == "student-t\n", done.stdout + done.stderr
    test = "tests/recorded/test_recorded.py"
    done = run("-m", "pytest", test, "-k", "student-t", folder=copy, sources=[copy / "src"])
    assert done.returncode == 0, done.stdout + done.stderr
    code = (
        "from benchmarks.quick.problems import PROBLEMS; one, *_ = PROBLEMS;"
        "print(one.name, len(one.build().log_likelihood(one.data())))"
    )
    assert run("-c", code, folder=copy, sources=[copy / "src"]).stdout == "student-t 256\n"
    test = "tests/mutations/test_table.py"
    done = run("-m", "pytest", test, "-k", "student-t or family", folder=copy, sources=[copy / "src"])
    assert done.returncode == 0, done.stdout + done.stderr
    *_, first, second = TRYING
    assert f'"{first}"' in MISTAKES
    assert f'"{second}"' in MISTAKES


def test_the_mistake_of_the_page_is_found(copy: Path) -> None:
    wrong = FILE.replace("tail = -(nu + dims) / 2", "tail = -nu / 2")
    assert wrong != FILE
    (copy / PLACE).write_text(wrong)
    done = run(*LAWS, folder=copy, sources=[copy / "src"])
    (copy / PLACE).write_text(FILE)
    assert done.returncode == 1
    assert "total mass" in done.stdout


def test_a_package_of_the_users_own(tmp_path: Path) -> None:
    """What pip would install of it: the package, and the entry points of its metadata."""
    place = tmp_path / "installed"
    (place / "my_models").mkdir(parents=True)
    (place / "my_models" / "student_t.py").write_text(FILE)
    (place / "my_models" / "__init__.py").write_text(ENTRY)
    project = tomllib.loads(PROJECT)["project"]
    about = place / f"my_models-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
    told = []
    for command in COMMANDS:
        done = run("-m", *command.split(), folder=tmp_path, sources=[place, SOURCE.parent])
        assert done.returncode == 0, command + done.stdout + done.stderr
        told.append(done.stdout)
    listed, _, checked, board = told
    assert re.search(r"^nu +5\.0", listed, flags=re.MULTILINE)
    assert "student-t on Real(2,)" in checked
    assert "FAILED" not in checked
    assert "student-t" in board
