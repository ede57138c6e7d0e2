"""Every Python block of the pages runs, and every command and file they name is real."""

import re
from pathlib import Path
from typing import Any

import pytest

from loglik.cli.app import app, run

ROOT = Path(__file__).parent.parent
PAGES = {path.name: path for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))}
each_page = pytest.mark.parametrize("name", PAGES)


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGES[name].read_text(), flags=re.DOTALL)


# Pages with code, and something that it prints.
PRINTED = {
    "README.md": "paired over 500 rows",
    "flows.md": "exact 1e-06 True",
    "bayes-nets.md": "sums to 1.0000",
    "bayes.md": "log p(X) = -1.609 nats (exact)",
    "ode.md": "steps tried in vain",
    "laws.md": "total mass: decided by bridge",
    "latent.md": "the bound touches True and lifts True",
}
ELSEWHERE = {"your-model.md"}  # tests/test_your_model.py follows it


@pytest.mark.parametrize("name", PRINTED)
def test_python_blocks_run_one_after_the_other(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And print what the comments beside them say."""
    known: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(name):
        exec(compile(block, name, "exec"), known)
    out = capsys.readouterr().out
    assert PRINTED[name] in out
    said = re.findall(r"# (log density) = \.\.\. (nats per event \(exact, 500 events)", "\n".join(blocks(name)))
    silent = ("ode.md", "laws.md", "bayes-nets.md", "bayes.md", "latent.md")
    assert said or name in silent, "the block says what it prints"
    assert all(word in out for words in said for word in words)


def test_no_page_has_code_that_is_not_run() -> None:
    assert {name for name in PAGES if blocks(name)} == set(PRINTED) | ELSEWHERE


def test_every_command_is_in_the_readme_and_the_other_way_round() -> None:
    there = {command.callback.__name__ for command in app.registered_commands if command.callback}
    told = set(re.findall(r"^    loglik (\w+)", PAGES["README.md"].read_text(), flags=re.MULTILINE))
    assert told == there
    assert run(["--help"]) == 0


@each_page
def test_linked_files_exist(name: str) -> None:
    """And have the heading that a link goes to."""
    for link, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", PAGES[name].read_text()):
        if link.startswith("http"):
            continue
        path = PAGES[name].parent / link if link else PAGES[name]
        assert path.exists(), link
        headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE) if anchor else []
        assert not anchor or anchor in [heading.lower().replace(" ", "-") for heading in headings], f"{link}#{anchor}"


def test_the_rooms_of_the_readme_are_there() -> None:
    rooms = PAGES["README.md"].read_text().partition("## Where things are")[2]
    lines = [line.split("  ")[2] for line in rooms.splitlines() if line.startswith("    src/loglik/")]
    assert lines
    for line in lines:
        first, *others = line.split()
        assert (ROOT / first).exists(), first
        for other in others:
            assert (ROOT / "src" / "loglik" / other).exists(), other


def test_the_readme_opens_with_what_to_run_and_says_what_is_in_it_in_a_few_lines() -> None:
    text = PAGES["README.md"].read_text()
    assert re.findall(r"^    (make \w+)", text, flags=re.MULTILINE)[:2] == ["make demo", "make test"]
    inside = text.partition("## What is in it\n")[2].partition("\n## ")[0]
    assert len([line for line in inside.splitlines() if line]) <= 15


@pytest.mark.parametrize("name", ["README.md", "models.md"])
def test_the_table_of_routes_names_each_model_once(name: str) -> None:
    cells = re.findall(r"\| ((?:`[a-z+-]+`(?: |$))+)", PAGES[name].read_text(), flags=re.MULTILINE)
    names = " ".join(cells).split()
    assert {"`gmm`", "`nsf`", "`bayes-gmm`"} <= set(names)
    assert sorted(names) == sorted(set(names))
