"""How verdicts look in a terminal and in a report. Pure text; the commands themselves are in ``gateway.main``."""
