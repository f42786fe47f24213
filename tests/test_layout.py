"""The packages are where they should be, and the default installation stays lean."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "models", "training", "store", "protocols")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_loaded_from_this_checkout(name: str) -> None:
    """A stray ``models`` in site-packages would shadow ours."""
    where = subprocess.run(
        [sys.executable, "-c", f"import {name}; print({name}.__file__)"],
        capture_output=True, text=True, check=True, cwd="/",
    ).stdout.strip()  # fmt: skip
    assert Path(where) == ROOT / name / "__init__.py"


def test_the_default_dependencies_bring_neither_torch_nor_transformers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [d for d in project["dependencies"] if d.startswith(("torch", "transformers", "onnx>"))]
    assert [d for d in project["dependencies"] if d.startswith("pyzor")], "Pyzor is installed by default"


def test_judging_a_mail_imports_neither_scikit_learn_nor_torch_nor_pyzor() -> None:
    code = (
        "import sys, gateway.main.worker, gateway.main.offline\n"
        "bad = [m for m in ('sklearn', 'torch', 'transformers', 'pyzor', 'scipy') if m in sys.modules]\n"
        "print(bad); sys.exit(bool(bad))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_too_long_and_no_package_is_called_utils() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert path.stem not in {"utils", "common", "helpers", "base", "manager"}, path
            assert len(path.read_text("utf-8").splitlines()) <= 400, path
