"""Runs the real ``pyzord`` script where Python has no gdbm: its gdbm engine gets a database in memory instead.

Server, protocol, accounts and engine are Pyzor's own; only the file format behind them is replaced. Arguments:
the script's path, then its own arguments.
"""

import runpy
import sys


class MemoryDatabase(dict[bytes, bytes]):
    """As much of a gdbm object as the engine uses."""

    def __setitem__(self, key: bytes | str, value: bytes | str) -> None:
        super().__setitem__(_octets(key), _octets(value))

    def __getitem__(self, key: bytes | str) -> bytes:
        return super().__getitem__(_octets(key))

    def firstkey(self) -> bytes | None:
        return next(iter(self), None)

    def sync(self) -> None:
        return None


def _octets(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


class MemoryGdbm:
    error = KeyError

    @staticmethod
    def open(_name: str, _mode: str) -> MemoryDatabase:
        return MemoryDatabase()


def main() -> None:
    try:
        import _gdbm  # noqa: F401
    except ImportError:
        sys.modules["gdbm"] = MemoryGdbm  # type: ignore[assignment]
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
