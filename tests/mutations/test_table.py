"""The table of mutations fits the source it is about; running it is `make mutations`."""

import pytest
from mutation import SOURCE, Mutation, Reach
from mutation_table import MUTATIONS
from page import PAGE, text
from trial import recorded

from loglik.zoo import ZOO

BESIDE_THE_ZOO = {
    "bounds", "dequantisation", "rescaling", "heads", "solvers", "data", "training", "resume", "streams", "evaluation",
    "scores", "ranking", "compare", "storage",
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_what_it_changes_is_there_once_and_still_python_afterwards(mutation: Mutation) -> None:
    text = (SOURCE / mutation.file).read_text()
    wrong = mutation.applied(text)
    assert wrong != text
    compile(wrong, mutation.file, "exec")


def test_there_are_enough_and_every_family_has_its_own() -> None:
    assert len(MUTATIONS) >= 60
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    families = [mutation.family for mutation in MUTATIONS]
    assert set(families) == set(ZOO) | BESIDE_THE_ZOO
    assert [name for name in ZOO if families.count(name) < 2] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_it_names_tests_that_exist_and_the_model_that_check_sees(mutation: Mutation) -> None:
    root = SOURCE.parents[1]
    assert mutation.tests
    assert all((root / path).exists() for path in mutation.tests)
    assert (mutation.case is None) == (mutation.reach is Reach.BESIDE)


def test_an_edit_that_fits_nowhere_or_twice_is_refused() -> None:
    first = MUTATIONS[0]
    for source in ("nothing of the kind", 2 * first.old):
        with pytest.raises(ValueError, match="expected"):
            first.applied(source)


def test_the_page_says_what_is_on_record_and_nothing_survives_the_tests() -> None:
    trials = recorded()
    assert [mutation.name for mutation in MUTATIONS if mutation.name not in trials] == []
    assert [name for name, trial in trials.items() if not trial.caught] == []
    assert PAGE.read_text() == text(MUTATIONS, trials)
