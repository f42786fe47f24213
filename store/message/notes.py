"""Collects what a sender did wrong while a mail is parsed: each thing once, and not without end."""

from store.message.model import Defect

DEFECTS_KEPT = 64  #: a hostile mail shall not turn its defects into a load
DETAIL_CHARACTERS = 80


class Notes:
    """Defects in the order they were met; repeats and everything beyond ``DEFECTS_KEPT`` are dropped."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[Defect, None] = {}

    def add(self, name: str, detail: str = "") -> None:
        if len(self._seen) < DEFECTS_KEPT:
            self._seen.setdefault(Defect(name, detail[:DETAIL_CHARACTERS]))

    def all(self) -> tuple[Defect, ...]:
        return tuple(self._seen)
