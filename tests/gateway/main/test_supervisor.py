"""Who starts again, who waits, and who gives up, when workers end."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.config import Config, parse
from gateway.main import worker
from gateway.main.supervisor import PAUSES_S, STILLBIRTHS, Supervisor
from store.kv.contract import StoreError, StoreUnavailable


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse({"server": {"hostname": "mx.example.com", "data": "data"}, "domain": {"example.com": {}}}, tmp_path)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


class Lives(Supervisor):
    """Real processes whose lives a test writes, and no real time between them."""

    def __init__(
        self, config: Config, monkeypatch: pytest.MonkeyPatch, live: Callable[[int, Callable[[], None]], None]
    ):
        super().__init__(config, {}, 1)
        self.pauses: list[float] = []

        async def run(_: object, __: object, ___: int, on_ready: Callable[[], None]) -> None:
            live(len(self.pauses), on_ready)

        monkeypatch.setattr(worker, "run_until_signalled", run)

    def _spawn(self, number: int, pause_s: float = 0.0) -> int:
        self.pauses.append(pause_s)
        return super()._spawn(number)


def test_a_store_that_is_away_at_the_first_start_ends_it_with_a_sentence(
    config: Config, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def live(start: int, on_ready: Callable[[], None]) -> None:
        raise StoreUnavailable("PostgreSQL cannot be reached: no route")

    lives = Lives(config, monkeypatch, live)
    assert lives.run(lambda: None) == 1
    assert lives.pauses == [0.0]
    assert "mailward: PostgreSQL cannot be reached: no route" in capfd.readouterr().err


def test_once_it_has_served_a_store_that_is_away_is_waited_for_with_longer_pauses(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = len(PAUSES_S) + 2

    def live(start: int, on_ready: Callable[[], None]) -> None:
        if 2 <= start <= away + 1:
            raise StoreUnavailable("away")
        on_ready()
        if start == 1:
            os._exit(9)  # it dies; the store is away when the next one starts
        os.kill(os.getppid(), signal.SIGTERM)
        signal.pause()

    lives = Lives(config, monkeypatch, live)
    assert lives.run(lambda: None) == 0
    assert lives.pauses == [0.0, 0.0, *PAUSES_S, PAUSES_S[-1], PAUSES_S[-1]]
    assert away > STILLBIRTHS, "who finds no store was not stillborn"


def test_what_only_the_operator_can_mend_ends_it_whenever_it_comes(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def live(start: int, on_ready: Callable[[], None]) -> None:
        if start == 2:
            raise StoreError("this store is of a newer program")
        on_ready()
        os._exit(9)

    lives = Lives(config, monkeypatch, live)
    assert lives.run(lambda: None) == 1
    assert lives.pauses == [0.0, 0.0]


@pytest.mark.parametrize("served_between", [False, True], ids=["in a row", "one served between"])
def test_it_gives_up_only_after_five_in_a_row_died_before_they_were_ready(
    config: Config, monkeypatch: pytest.MonkeyPatch, served_between: bool
) -> None:
    def live(start: int, on_ready: Callable[[], None]) -> None:
        if start == 1 or (served_between and start == STILLBIRTHS + 1):
            on_ready()
        os._exit(9)

    lives = Lives(config, monkeypatch, live)
    assert lives.run(lambda: None) == 1
    first = 1 + STILLBIRTHS
    assert len(lives.pauses) == (first + STILLBIRTHS if served_between else first)


def test_one_that_serves_may_die_as_often_as_it_likes(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def live(start: int, on_ready: Callable[[], None]) -> None:
        on_ready()
        if start == 3 * STILLBIRTHS:
            os.kill(os.getppid(), signal.SIGTERM)
            signal.pause()
        os._exit(9)

    lives = Lives(config, monkeypatch, live)
    assert lives.run(lambda: None) == 0
    assert len(lives.pauses) == 3 * STILLBIRTHS
