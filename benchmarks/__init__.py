"""Measurements, printed as JSON. Ratios against a peer or a baseline of the same run count; absolute numbers are of
the machine they were taken on. ``python -m benchmarks NAME`` runs one."""
