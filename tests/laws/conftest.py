"""The suite judges many models by all laws, on fewer samples each than `check` takes: it has to end in minutes."""

import pytest

from loglik.laws import patience


@pytest.fixture(autouse=True)
def fewer_samples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(patience, "SAMPLES", 6_000)
