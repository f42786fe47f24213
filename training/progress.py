"""How long work reports that it is under way."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  #: what is being done, steps done, steps in all (0 when unknown)


def quiet(_what: str, _done: int, _all: int) -> None:
    """Progress for callers that want none."""


def bars() -> Progress:
    """Progress as tqdm bars on standard error, one per kind of work."""
    from tqdm import tqdm

    shown: dict[str, tqdm] = {}

    def report(what: str, done: int, everything: int) -> None:
        bar = shown.get(what)
        if bar is None:
            bar = shown[what] = tqdm(total=everything or None, desc=what, unit="")
        bar.update(done - bar.n)
        if everything and done >= everything:
            bar.close()

    return report
