"""How long each stage of one mail took."""

import time


class Stages:
    """Milliseconds by stage name, in the order they happened."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    def measure(self, name: str) -> "Stage":
        """A block to time; the same name again adds up."""
        return Stage(self.ms, name)


class Stage:
    """One stage being timed. A class, because a generator costs three times as much, seven times a mail."""

    __slots__ = ("_ms", "_name", "_start")

    def __init__(self, ms: dict[str, float], name: str) -> None:
        self._ms = ms
        self._name = name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = (time.perf_counter() - self._start) * 1000
        self._ms[self._name] = round(self._ms.get(self._name, 0.0) + spent, 3)
