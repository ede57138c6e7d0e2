"""How long the learning rate falls, against what stands in words beside it."""

import pytest

from loglik.training.schedule import Fall


@pytest.mark.parametrize(("best", "steps"), [(1000, 1000), (10, 200)])
def test_the_fall_takes_as_many_steps_as_its_optimum_took(best: int, steps: int) -> None:
    """No fewer than 200, after which validation may first be called worse; the budget ends it, if that is sooner."""
    fall = Fall.after(best, 3000, 0.5)
    assert fall.done(3000, 0.5) == 0.0
    assert fall.done(3000 + steps // 2, 0.5) == pytest.approx(0.5)
    assert fall.done(3000 + steps, 0.5) == 1.0
    assert fall.done(3001, 0.75) == pytest.approx(0.5)
    assert fall.done(3001, 1.0) == 1.0
