"""The simulated device that other tests rely on."""

from __future__ import annotations

import pytest

from dsbench.backends import AUTOMATIC, fake
from dsbench.backends.fake import FakeBackend


def test_work_that_takes_no_time_is_an_error_and_not_an_endless_run() -> None:
    with pytest.raises(ValueError, match="spend"):
        FakeBackend().time(lambda: None, samples=1)


def test_holding_more_than_there_is_raises_memory_error() -> None:
    with pytest.raises(MemoryError):
        fake.hold(FakeBackend().free_memory() + 1)


def test_giving_back_more_than_is_held_raises() -> None:
    with pytest.raises(ValueError, match="given back"):
        fake.free(fake.MEMORY + 1)


def test_budgets_are_kept_by_its_own_clock() -> None:
    began = FakeBackend().now()
    fake.spend(3600)
    assert FakeBackend().now() - began == pytest.approx(3600)


def test_is_never_chosen_by_itself() -> None:
    assert "fake" not in AUTOMATIC
