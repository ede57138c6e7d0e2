"""The table of mutations, tried one by one: python -m tests.mutations [--suite | --check] [--missing] [NAME ...].

Without names all of them. `--suite` and `--check` run only that half, and keep what is on record of the other one;
`--missing` leaves out what is on record already. `--sound` shows `check` the same models without any mistake, and
records nothing. `--page` writes docs/mutations.md from the record and runs nothing.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


def main() -> int:
    import page
    import trial
    from mutation_table import MUTATIONS

    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    half = parser.add_mutually_exclusive_group()
    half.add_argument("--suite", action="store_true")
    half.add_argument("--check", action="store_true")
    half.add_argument("--sound", action="store_true")
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    order = [mutation.name for mutation in MUTATIONS]
    unknown = set(asked.names) - set(order)
    if unknown:
        parser.error(f"no such mutation: {', '.join(sorted(unknown))}")
    trials = trial.recorded()
    chosen = [m for m in MUTATIONS if not asked.names or m.name in asked.names]
    copy = None if asked.page else trial.Copy()
    if asked.sound and copy:
        models = {str(m.case): m for m in chosen if m.case}
        alarms = {name: trial.false_alarms(mutation, copy) for name, mutation in models.items()}
        print(*(f"{name}: {broken}" for name, broken in alarms.items() if broken), f"{len(models)} models", sep="\n")
        return int(any(alarms.values()))
    for mutation in chosen if copy else []:
        assert copy is not None
        before = trials.get(mutation.name)
        suite, check = not asked.check, not asked.suite
        if asked.missing and before:
            suite, check = suite and not before.seconds[0], check and not before.seconds[1]
        if not suite and not (check and mutation.case):
            continue
        found = trial.tried(mutation, copy, suite=suite, check=check)
        if before and not suite:
            found = dataclasses.replace(found, suite=before.suite, seconds=(before.seconds[0], found.seconds[1]))
        if before and not check:
            found = dataclasses.replace(found, check=before.check, seconds=(found.seconds[0], before.seconds[1]))
        trials[mutation.name] = found
        trial.keep(trials, order)
        print(f"{found.name}: {found.suite or 'SURVIVED'}; {found.check} {found.seconds}", flush=True)
    page.write(MUTATIONS, trials)
    return 0


if __name__ == "__main__":
    sys.exit(main())
