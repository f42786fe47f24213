"""``python -m benchmarks [NAME...]``: run all or some measurements with their defaults; each module takes options."""

import runpy
import sys

NAMES = (
    "store_kv",
    "store_deliveries",
    "mailbox_growth",
    "filters",
    "checks",
    "mail_sizes",
    "smtp_delivery",
    "startup",
)

for name in sys.argv[1:] or NAMES:
    if name not in NAMES:
        sys.exit(f"no measurement {name!r}; known: {', '.join(NAMES)}")
    sys.argv = [f"benchmarks.{name}"]  # the measurement reads its own options from here
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
