"""A comparison as a folder: one run for each model, and comparison.json."""

import dataclasses
from pathlib import Path

from loglik.output.manifest import make_own_folder
from loglik.runs.run import save, write_history
from loglik.storage.writing import write_json
from loglik.tasks.comparison import Comparison
from loglik.tasks.fitting import FINISHED, data_record
from loglik.tasks.unseen import held_out_scores, write_learnt
from loglik.training.options import Options


def save_comparison(comparison: Comparison, folder: Path, source: str, command: str) -> None:
    """FOLDER/NAME is the run of each model that was fitted; FOLDER/comparison.json is the leaderboard."""
    about = data_record(comparison.data, source)
    runs: list[Path] = []
    for entrant in comparison.entrants:
        if entrant.model is None or entrant.model.recipe is None or entrant.score is None:
            continue
        run = folder / entrant.name
        make_own_folder(run)
        options = entrant.options or Options()
        fitted = {"options": dataclasses.asdict(options), "history": entrant.history and entrant.history.summary()}
        scores = held_out_scores(entrant.score, comparison.seen)
        save(
            entrant.model, run, {"status": FINISHED, "data": about, "fit": fitted, "scores": scores, "command": command}
        )
        runs.append(run)
        if entrant.history is not None:
            write_history(run, entrant.history)
    write_learnt(runs, comparison.data)
    write_json(folder / "comparison.json", {**comparison.to_json(), "command": command})
