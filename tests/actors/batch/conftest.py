"""Batches in a hurry."""

import pytest

from tests.fakes.batch_app import FAST
from trouper.actors.batch import house


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "TEMPO", FAST)
