"""Tables that we write are tables that we read, whatever their columns are called; and the command says how it read."""

from pathlib import Path

import pytest
import torch

from loglik.cli.app import run
from loglik.data.files import open_file
from loglik.tasks.export import to_csv

X = torch.tensor([[0.1, -1e300, 5e-324], [1 / 3, 2.0, -0.0]], dtype=torch.float64)
NAMES = [
    ("a", "b", "c"),
    ("height, cm", 'weight "kg"', "x;y|z\tw"),
    ("height\n(cm)", "height\r\n(in)", "\r"),
    ("#a", "sep=;", "# b,c"),
    (" a", "a ", "a"),
    ("2019", "2020", "2021"),
    ("0", "1", "2"),
    ("nan", "true", "1e5"),
    ("", "Unnamed: 0", "column 1"),
    ("gr\xf6\xdfe", "\u4f53\u91cd", "'"),
    ("[red]a[/red]", "US$", "\x1b[31m"),
]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("rows", [1, 2])
def test_what_is_written_reads_back(names: tuple[str, ...], rows: int, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(to_csv(X[:rows], names).encode())
    source = open_file(path, columns=names)
    assert source.columns == names
    assert torch.equal(source.read().x, X[:rows])


def test_the_command_says_how_a_table_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text(";a;b\n" + "".join(f"{i};{i % 7},5;{i % 3},25\n" for i in range(60)))
    said = "header yes, separator ';', decimal comma, {}2 columns, index column left out"
    assert run(["data", str(path)]) == 0
    assert f"read as: {said.format('60 rows of ')}\n" in capsys.readouterr().out
    assert run(["fit", str(path), "--model", "gaussian", "-o", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().err
    assert f"t.csv: read as: {said.format('60 rows of ')}.\n" in told
    assert told.count("read as") == 1
    assert run(["score", str(tmp_path / "run"), str(path)]) == 0
    told = capsys.readouterr().err
    assert f"read as: {said.format('')}.\n" in told
    assert told.count("read as") == 1
