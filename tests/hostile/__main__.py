"""``python -m tests.hostile [GROUP ...]``: what each hostile mail costs, as the table of docs/performance.md."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.hostile.cases import GROUPS


def costs(group: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Judge every mail of a group in one worker; as ``tests.hostile.worker.Cost``, in the order of their names."""
    for name, make in GROUPS[group].items():
        (folder / name.replace("/", "\N{FRACTION SLASH}")).write_bytes(make())
    command = [sys.executable, "-m", "tests.hostile.worker", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            cost = json.loads(line)
            cost["name"] = cost["name"].replace("\N{FRACTION SLASH}", "/")
            yield cost
    if process.returncode:
        raise RuntimeError(f"the worker ended with {process.returncode}")


def main(groups: list[str]) -> None:
    print("| mail | MB | CPU s | grows by MB | loop waits s | action | index s |\n|---|---|---|---|---|---|---|")
    for group in groups or GROUPS:
        with tempfile.TemporaryDirectory() as folder:
            for cost in costs(group, Path(folder)):
                print(
                    f"| {cost['name']} | {cost['octets'] / 1e6:.1f} | {cost['cpu_s']:.2f} | {cost['peak_mb']:.0f} "
                    f"| {cost['stall_s']:.2f} | {cost['action'] or cost['reply']} | {cost['index_cpu_s']:.2f} |",
                    flush=True,
                )
                print(cost["stage_ms"], cost["signals"], cost["errors"], file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
