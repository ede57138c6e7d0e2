"""RESULTS.md and docs/results, from the recorded runs and benchmarks: the same records give the same text."""

from pathlib import Path

from recipes.overview import FOLDER, overview
from recipes.pages import pages
from recipes.recipe import HERE, RESULTS
from recipes.records import BENCHMARKS, read_records

ROOT = HERE.parent


def results(folder: Path = HERE, recorded: Path = RESULTS, benchmarks: Path = BENCHMARKS) -> dict[str, str]:
    """File, from the root of the repository -> its text."""
    records = read_records(folder, recorded, benchmarks)
    return {"RESULTS.md": overview(records)} | {f"{FOLDER}/{name}": text for name, text in pages(records).items()}


def write(texts: dict[str, str], root: Path = ROOT) -> None:
    """Write the files, and remove pages that nothing is recorded for any more."""
    for name in set(_there(root)) - texts.keys():
        (root / name).unlink()
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def stale(texts: dict[str, str], root: Path = ROOT) -> list[str]:
    """The files that are not what they should be, are missing, or should not be there."""
    there = _there(root)
    return sorted(name for name in texts.keys() | there.keys() if texts.get(name) != there.get(name))


def _there(root: Path) -> dict[str, str]:
    paths = [root / "RESULTS.md", *(root / FOLDER).glob("*.md")]
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths if path.exists()}
