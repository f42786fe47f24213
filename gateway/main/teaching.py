"""``mailward train``."""

import json
import sys
from pathlib import Path

from gateway.main.failures import told_plainly
from gateway.observe.log import configure
from training.main import Options, UnlearnableInput, UnreadableCorpus, bars
from training.main import train as fit

__all__ = ["Options", "train"]


def train(ham: Path, spam: Path, out: Path, *, seed: int, options: Options, as_json: bool) -> int:
    """Train words, calibration and combination on two paths of mail, and say how well it does on held-out mail."""
    configure("human")
    with told_plainly():
        try:
            card = fit(ham, spam, out, bars(), seed, options=options)
        except ModuleNotFoundError as error:
            print(f"mailward: {error.name} is not installed: pip install 'mailward[training]'")
            return 2
        except (UnreadableCorpus, UnlearnableInput) as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 2
    if as_json:
        print(json.dumps({"id": card.id, "path": str(out), "metrics": card.metrics}))
        return 0
    print(f"  {out}: model {card.id}")
    for name, measures in card.metrics.items():
        print(f"  {name}: " + "  ".join(f"{measure} {value:.4g}" for measure, value in measures.items()))
    print(f'  use it:  mailward scan --model {out} FILE   or   [model] directory = "{out}" in the configuration')
    return 0
