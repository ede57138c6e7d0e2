"""python -m recipes list | run NAME ... | try NAME ... | table [--check]

`run` measures and records into recipes/results; `try` takes a few steps of a long recipe to see that it starts; `table`
writes RESULTS.md and docs/results from what is recorded, and with --check only tells which of them are something else.
Standard data sets are read under $LOGLIK_DATA.
"""

import argparse
import sys

from loglik.errors import LoglikError
from recipes.fits import try_fits
from recipes.recipe import HERE, recipes, record, run
from recipes.table import results, stale, write


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m recipes", description=__doc__.partition("\n")[2])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the recipes")
    running = commands.add_parser("run", help="measure, record, and write the results anew")
    running.add_argument("names", nargs="+", choices=[*recipes()], metavar="NAME")
    trying = commands.add_parser("try", help="take a few steps, record nothing")
    trying.add_argument("names", nargs="+", choices=[*recipes()], metavar="NAME")
    trying.add_argument("--steps", type=int, default=3, help="steps of each fit (default 3)")
    table = commands.add_parser("table", help="write RESULTS.md and docs/results from the recorded runs")
    table.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    options = parser.parse_args()
    if options.command == "list":
        for name, recipe in recipes().items():
            print(f"{name:<20} {recipe.command}")
        return 0
    if options.command == "table" and options.check:
        late = stale(results())
        print("\n".join(f"{name} is out of date: run `make results`." for name in late), end="\n" if late else "")
        return 1 if late else 0
    try:
        if options.command == "try":
            attempt(options.names, options.steps)
            return 0
        measure(getattr(options, "names", []))
    except LoglikError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    written = results()
    write(written)
    print(f"Wrote {', '.join(written)}.")
    return 0


def attempt(names: list[str], steps: int) -> None:
    for name in names:
        recipe = recipes()[name]
        lines = try_fits(recipe.fits, recipe.data, context=recipe.context, seed=recipe.seed, device="cpu", steps=steps)
        print("\n".join(f"{name}: {line}" for line in lines), flush=True)


def measure(names: list[str]) -> None:
    for name in names:
        recipe = recipes()[name]
        print(f"{name}: {recipe.command}", flush=True)
        measured = run(recipe)
        for standing in measured["standings"]:
            print(f"  {standing['name']}: {standing['score']['text']}", flush=True)
        for entrant in measured["failed"]:
            print(f"  {entrant['name']}: {entrant['error']}", flush=True)
        print(f"  recorded in {record(recipe, measured).relative_to(HERE.parent)}")


if __name__ == "__main__":
    raise SystemExit(main())
