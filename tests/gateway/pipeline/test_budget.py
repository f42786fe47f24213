"""The budget of the language model: what is spent comes back with time, and never more than was saved."""

import time

from gateway.pipeline.budget import ReadingBudget


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def burn(budget: ReadingBudget, seconds: float) -> None:
    with budget.spending():
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass


def test_a_budget_is_spent_by_reading_and_comes_back_with_time() -> None:
    clock = Clock()
    budget = ReadingBudget(0.1, burst_s=0.1, clock=clock)
    assert not budget.is_spent
    burn(budget, 0.02)
    assert budget.is_spent
    clock.now += 0.05
    assert budget.is_spent, "five milliseconds came back, more than that was overdrawn"
    clock.now += 1.0
    assert not budget.is_spent


def test_time_without_mail_saves_up_no_more_than_the_burst() -> None:
    clock = Clock()
    budget = ReadingBudget(0.1, burst_s=0.1, clock=clock)
    clock.now += 1_000
    assert not budget.is_spent
    burn(budget, 0.02)
    assert budget.is_spent
