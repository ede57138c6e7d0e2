"""The house rules that can be read off the source: layers, file sizes, names, the public list, and a light import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import loglik
from loglik.zoo import ZOO

SOURCE = Path(loglik.__file__).parent

# Lowest first. A file imports only from lower layers, or from its own.
LAYERS: list[tuple[str, ...]] = [
    ("errors", "ops", "records", "version"),
    ("compiled",),
    ("arguments", "output", "ode", "uncertainty"),
    ("spaces", "scales"),
    ("contexts",),
    ("contract",),
    ("promises", "storage"),
    ("difference",),
    ("score",),
    ("densities",),
    ("moments", "nets"),
    ("heads",),
    ("bijections",),
    ("models",),
    ("data",),
    ("inference",),
    ("training",),
    ("hyperparameters", "registry"),
    ("zoo",),
    ("runs",),
    ("tasks", "laws"),
    ("report",),
    ("cli",),
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted(SOURCE.rglob("*.py"))
MOST_POSITIONALS = 5
BANNED = {"utils", "misc", "helpers", "common", "base", "core", "types"}


def room(path: Path) -> str:
    """The top-level module or folder a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = node.module == "loglik"
            names = [f"loglik.{alias.name}" for alias in node.names] if inside else [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("loglik.")}
    return rooms


def test_every_room_has_a_layer() -> None:
    assert {room(path) for path in FILES} - {"__init__", "__main__"} == set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_downwards(path: Path) -> None:
    if path.parent == SOURCE and path.stem in ("__init__", "__main__"):
        return  # the front door sees the whole house
    above = rooms_above(path, room(path))
    assert not above, f"{path.relative_to(SOURCE)} imports from {above}, which is not below it"


def rooms_above(path: Path, own: str) -> set[str]:
    """The rooms that a file of the room `own` imports from and must not."""
    return {
        other
        for other in imported_rooms(path)
        if RANK[other] > RANK[own] or (RANK[other] == RANK[own] and other != own)
    }


def imported_files(path: Path) -> set[Path]:
    """The files of the house that a file imports when it runs, at its top or within its functions."""
    tree = ast.parse(path.read_text())
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    for_types = {inner for guard in guards for inner in ast.walk(guard)}
    names = set()
    for node in set(ast.walk(tree)) - for_types:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    inside = [SOURCE.joinpath(*name.split(".")[1:]) for name in names if name.startswith("loglik.")]
    return {path.with_suffix(".py") for path in inside} & IMPORTABLE


IMPORTABLE = {path for path in FILES if path.stem != "__init__"}
IMPORTS = {path: imported_files(path) for path in FILES}


def reached(start: Path, through: tuple[str, ...]) -> set[Path]:
    """The files that `start` imports, and what those of the rooms `through` import in turn."""
    found: set[Path] = set()
    ahead = [start]
    while ahead:
        new = IMPORTS[ahead.pop()] - found
        found |= new
        ahead += [path for path in new if room(path) in through]
    return found


def test_files_do_not_import_in_circles() -> None:
    everywhere = tuple(RANK)
    circles = [str(path.relative_to(SOURCE)) for path in FILES if path in reached(path, everywhere)]
    assert not circles, f"imported by what they import: {circles}"


def systems(net: Path) -> set[str]:
    """The models of the zoo, by builder, that a file serves."""
    builders = {str(entry.builder) for entry in ZOO.values()}
    files = {builder: SOURCE / "models" / f"{builder.split(':')[0].replace('.', '/')}.py" for builder in builders}
    return {
        builder for builder, path in files.items() if net in reached(path, ("models", "nets", "bijections", "heads"))
    }


def test_a_file_of_nets_serves_two_models_or_more() -> None:
    served = {str(net.relative_to(SOURCE)): systems(net) for net in IMPORTABLE if room(net) == "nets"}
    alone = {net: models for net, models in served.items() if len(models) < 2}
    assert not alone, f"{alone}: a net of one model stands in that model's folder"


def test_the_rule_of_nets_can_fail() -> None:
    assert systems(SOURCE / "models" / "autoregressive" / "wavenet" / "net.py") == {
        "autoregressive.wavenet.model:wavenet"
    }


def test_what_numba_compiles_is_called_a_kernel() -> None:
    for path in FILES:
        if "njit" in path.read_text():
            assert room(path) == "compiled" or path.stem.endswith("kernel"), path


def many_positionals(path: Path) -> list[str]:
    """The functions that take more than five arguments by place: too many to tell them apart in a call."""
    functions = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)]
    named = {f: [a.arg for a in f.args.posonlyargs + f.args.args] for f in functions}
    return [f.name for f, names in named.items() if len(set(names) - {"self", "cls", "ctx"}) > MOST_POSITIONALS]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_functions_take_at_most_five_arguments_by_place(path: Path) -> None:
    if path.stem.endswith("kernel") or room(path) in ("compiled", "cli"):
        return  # compiled functions take no keywords, and the command's arguments are options
    assert not many_positionals(path)


def test_the_rule_of_positionals_can_fail(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("class A:\n    def five(self, a, b, c, d, e, *, f): ...\ndef six(a, b, c, d, e, f): ...\n")
    assert many_positionals(module) == ["six"]


def test_the_layer_rule_can_fail(tmp_path: Path) -> None:
    upward = tmp_path / "contract.py"
    upward.write_text("from loglik.training.fit import fit\n")
    assert rooms_above(upward, "contract") == {"training"}
    upward.write_text("from loglik.errors import UsageError\nfrom loglik.contract.claim import Claim\n")
    assert not rooms_above(upward, "contract")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_hold_one_idea(path: Path) -> None:
    assert path.stem not in BANNED
    assert len(path.read_text().splitlines()) <= 300
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} says nothing of itself"


def test_only_the_command_prints_and_exits() -> None:
    for path in FILES:
        if room(path) in ("cli", "__main__"):
            continue
        calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        named = {f.id for f in calls if isinstance(f, ast.Name)}
        assert not named & {"print", "exit", "quit"}, path


def test_public_names_are_sorted_and_there() -> None:
    assert loglik.__all__ == sorted(loglik.__all__)
    for name in loglik.__all__:
        assert getattr(loglik, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        loglik.no_such_name  # noqa: B018


def test_import_is_light() -> None:
    """What `import loglik` loads beside torch: nothing that plots, reads tables or parses commands."""
    heavy = {"sklearn", "scipy", "pandas", "polars", "pyarrow", "matplotlib", "jinja2", "typer", "rich", "narwhals"}
    code = f"import sys, loglik; print(sorted({heavy} & sys.modules.keys()))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
