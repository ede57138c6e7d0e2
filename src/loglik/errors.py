"""Every error loglik raises on purpose, and the exit code the command ends with.

    LoglikError                                    1    anything below; catch this one to catch them all
    |-- UsageError          (ValueError)           2    an argument that cannot be
    |   `-- UnknownName     (LookupError)          3    no such model, data set or hyperparameter
    |-- ContextError        (ValueError)           4    a context where none is taken, or none where one is needed
    |-- TooLarge            (MemoryError)          5    more memory than there is, seen before it is taken
    |-- DataError           (ValueError)          10    the data cannot be used
    |   |-- DataNotFound    (FileNotFoundError)   11    no such file
    |   |-- EmptyData                             12    no rows
    |   |-- NotNumeric                            13    text where a number was expected
    |   |-- NotFinite       (ArithmeticError)     14    NaN or an infinity in the data
    |   |-- ShapeMismatch                         15    events of another shape than the model's
    |   |-- OutsideSpace                          16    a value that the space does not hold
    |   `-- UnreadableData                        17    a format that cannot be read, or a damaged file
    |-- RunError            (ValueError)          20    the run folder cannot be used
    |   |-- RunNotFound     (FileNotFoundError)   21    no run there
    |   |-- CorruptRun                            22    damaged, truncated or changed since it was written
    |   |-- NewerRun                              23    written by a newer loglik
    |   |-- PickleRefused                         24    a pickle; loading one would run its code
    |   |-- RunMismatch                           25    the run was made for other data or other options
    |   |-- OlderRun                              26    written by an older loglik, in another format
    |   `-- RunInUse                              27    another process of loglik is at work on the folder
    |-- WriteFailed         (OSError)             30    the disk is full or the place cannot be written
    |-- Diverged            (ArithmeticError)     40    training met a number that is not finite
    |-- NotSolved           (ArithmeticError)     41    a differential equation was not solved to its tolerance
    |-- LawBroken                                 50    a model breaks a law (`loglik check`)
    |-- BadModel            (TypeError)           51    a model of the user's own does not keep to the contract
    |-- OutOfMemory         (MemoryError)         60    the memory was used up on the way
    `-- Unforeseen                                70    anything else: a mistake in loglik, or below it

An interrupt ends the command with 130. Messages say what was expected, what came and what to do, in one line; the
command shows tracebacks where LOGLIK_DEBUG=1 is set.
"""

import difflib
from collections.abc import Iterable


class LoglikError(Exception):
    """The root of the tree; `exit_code` is what the command ends with."""

    exit_code = 1


class UsageError(LoglikError, ValueError):
    exit_code = 2


class UnknownName(UsageError, LookupError):
    """`kind` has no member called `name`; the nearest of `known` are proposed."""

    exit_code = 3

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(names)}."
        super().__init__(f"Unknown {kind} {name!r}. {hint}" + (f" {advice}" if advice else ""))


class TooLarge(LoglikError, MemoryError):
    exit_code = 5


class ContextError(LoglikError, ValueError):
    exit_code = 4


class DataError(LoglikError, ValueError):
    exit_code = 10


class DataNotFound(DataError, FileNotFoundError):
    exit_code = 11


class EmptyData(DataError):
    exit_code = 12


class NotNumeric(DataError):
    exit_code = 13


class NotFinite(DataError, ArithmeticError):
    exit_code = 14


class ShapeMismatch(DataError):
    exit_code = 15


class OutsideSpace(DataError):
    exit_code = 16


class UnreadableData(DataError):
    exit_code = 17


class RunError(LoglikError, ValueError):
    exit_code = 20


class RunNotFound(RunError, FileNotFoundError):
    exit_code = 21


class CorruptRun(RunError):
    exit_code = 22


class NewerRun(RunError):
    exit_code = 23


class OlderRun(RunError):
    exit_code = 26


class PickleRefused(RunError):
    exit_code = 24


class RunMismatch(RunError):
    exit_code = 25


class RunInUse(RunError):
    exit_code = 27


class WriteFailed(LoglikError, OSError):
    exit_code = 30


class Diverged(LoglikError, ArithmeticError):
    """Training met a non-finite `quantity` at `step`; the model keeps the weights of the step before."""

    exit_code = 40

    def __init__(self, quantity: str, step: int) -> None:
        self.quantity, self.step = quantity, step
        super().__init__(
            f"Training diverged at step {step}: {quantity} is not finite. The last good weights are kept. "
            f"Lower the learning rate (lr) or the gradient clip (clip), or check the data for extreme values."
        )


class FitWarning(UserWarning):
    """A fit came out, and there is something to know of it or its data (`Model.remark`)."""


class NotSolved(LoglikError, ArithmeticError):
    exit_code = 41


class LawBroken(LoglikError):
    exit_code = 50


class BadModel(LoglikError, TypeError):
    exit_code = 51


class OutOfMemory(LoglikError, MemoryError):
    exit_code = 60


class Unforeseen(LoglikError):
    """What the command raises in place of an exception that nobody foresaw; see `cli.last_resort`."""

    exit_code = 70
