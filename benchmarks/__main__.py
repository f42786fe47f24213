"""``python -m benchmarks [NAME...]``: run all or some measurements, one JSON object a line."""

import runpy
import sys

NAMES = ("store_kv", "filters", "mail_sizes", "smtp_delivery", "startup")

for name in sys.argv[1:] or NAMES:
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
