"""``python -m gateway.main`` is ``mailward``."""

from gateway.main.command import main

main(prog_name="mailward")
