"""Every Python block of the README and every command it names is real."""

import re
from pathlib import Path

import pytest

from loglik.cli.app import app, run

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_blocks_run_and_print_what_they_say(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})
    said = re.findall(r"# (log density) = \.\.\. (nats per event \(exact, 500 events)", block)
    out = capsys.readouterr().out
    assert said, "the block says what it prints"
    assert all(word in out for words in said for word in words)
    assert "paired over 500 rows" in out


def test_there_are_blocks() -> None:
    assert BLOCKS


def test_every_command_is_in_the_readme_and_the_other_way_round(capsys: pytest.CaptureFixture[str]) -> None:
    there = {command.callback.__name__ for command in app.registered_commands if command.callback}
    told = set(re.findall(r"^    loglik (\w+)", README, flags=re.MULTILINE))
    assert told == there
    assert run(["--help"]) == 0


def test_linked_files_exist() -> None:
    root = Path(__file__).parent.parent
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("http") or (root / link).exists(), link
