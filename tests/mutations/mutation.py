"""A mutation: one mistake, made by a small edit of one source file of the package."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cases import Case

SOURCE = Path(__file__).parents[2] / "src" / "loglik"


class Reach(Enum):
    """What a mistake reaches, and so who can be asked to find it.

    MODEL: what the model itself gives, its likelihoods, bounds, samples, objective or EM steps. Those are numbers that
    `check` looks at. RECIPE: the model is another one than its name says, and as such sound: no law is broken, and only
    a comparison with the published recipe tells. BESIDE: what is done with models and numbers, such as reading data,
    training, scoring, ranking and storing. `check` is shown a model, so it cannot see any of this.
    """

    MODEL = "a number of the model"
    RECIPE = "another sound model"
    BESIDE = "beside the model"


@dataclass(frozen=True)
class Mutation:
    """In `file`, below the package, `old` becomes `new`; there `old` occurs once.

    Attributes:
        family: the part of the package or the model of the zoo it belongs to.
        wrong: what it does, in words.
        tests: the files expected to notice it.
        laws: cases of tests/laws/test_laws.py to run besides, as pytest's -k takes it.
        case: the model that `check` is shown; None if the mistake is beside all models.
        kernel: the file is compiled by numba, so its compiled code is kept apart.
    """

    name: str
    family: str
    wrong: str
    file: str
    old: str
    new: str
    reach: Reach
    tests: tuple[str, ...] = ()
    laws: str = ""
    case: Case | None = None

    @property
    def kernel(self) -> bool:
        return "njit" in (SOURCE / self.file).read_text()

    def applied(self, text: str) -> str:
        """The text of the file with the mistake in it.

        Raises:
            ValueError: `old` is not there exactly once.
        """
        count = text.count(self.old)
        if count != 1:
            raise ValueError(f"{self.name}: expected {self.old!r} once in {self.file}; got it {count} times.")
        return text.replace(self.old, self.new)
