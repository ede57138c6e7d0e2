"""Grammars of inputs. To add one: a file beside this, and a line in `GRAMMARS`.

A grammar is a hypothesis strategy of `Attempt`s: it draws files as bytes and the words of a command, or the source of a
call. Nothing about the result is written in a grammar: `law.py` says what must hold for all. Let most of a draw be
ordinary and one or two things strange, since what is strange everywhere is refused at the first look. Draw a seed, not
every number of a table, so that hypothesis spends itself on the form. `hostile.py` has names, words and damage to draw
from, `tiny.py` runs that were fitted before. Then `python -m tests.fuzz --examples 500 NAME`.

An input that broke the law once and is mended stands in `mended.py`, and is tried by every `make test`.
"""

from attempt import Attempt
from hypothesis.strategies import SearchStrategy

from grammars import arrays, calls, csv_tables, images, options, parquet, records, sounds, texts, weights

GRAMMARS: dict[str, SearchStrategy[Attempt]] = {
    "csv": csv_tables.attempts(),
    "npy": arrays.npy_attempts(),
    "npz": arrays.npz_attempts(),
    "parquet": parquet.attempts(),
    "images": images.attempts(),
    "sounds": sounds.attempts(),
    "texts": texts.attempts(),
    "records": records.attempts(),
    "weights": weights.attempts(),
    "options": options.attempts(),
    "calls": calls.attempts(),
}
