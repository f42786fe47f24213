"""The Pyzor client library in a process of its own: ``python -m gateway.net.pyzor_process``.

This is the only file that imports ``pyzor``. The library is under the GPL version 2, blocks on UDP, and its digester
breaks down on malformed HTML and deep nesting, so it lives behind a pipe and is killed and started again at need.

Requests on standard input: 4 octets of length (big-endian), then one JSON line {"op", "server", "timeout_s"}, then the
mail. Answers on standard output: one JSON line each. Nothing is kept between requests.
"""

import email
import json
import struct
import sys
from typing import Any, BinaryIO

import pyzor
import pyzor.client
import pyzor.digest

_LENGTH = struct.Struct(">I")


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the pipe closes."""
    while True:
        head = requests.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        request = requests.read(_LENGTH.unpack(head)[0])
        answers.write(json.dumps(answer(request)).encode("ascii") + b"\n")
        answers.flush()


def answer(request: bytes) -> dict[str, Any]:
    """One request. What the library cannot do is an answer, too: ``error`` says why."""
    line, _, octets = request.partition(b"\n")
    order = json.loads(line)
    try:
        digest = pyzor.digest.DataDigester(email.message_from_bytes(octets)).value
    except Exception as error:  # the digester raises nearly anything on a hostile mail; the mail must not be lost
        return {"error": f"no digest: {type(error).__name__}"}
    host, port = order["server"]
    client = pyzor.client.Client(timeout=order["timeout_s"])
    ask = {"check": client.check, "report": client.report, "whitelist": client.whitelist}[order["op"]]
    try:
        reply = ask(digest, (host, port))
    except (pyzor.CommError, OSError) as error:
        return {"digest": digest, "error": f"{type(error).__name__}: {error}"[:200]}
    return _read(reply, digest, has_counts=order["op"] == "check")


def _read(reply: Any, digest: str, *, has_counts: bool) -> dict[str, Any]:
    try:
        if not reply.is_ok():
            return {"digest": digest, "error": f"server says {reply.get_code()} {reply.get('Diag', '')}"[:200]}
        if not has_counts:
            return {"digest": digest}
        return {"digest": digest, "count": int(reply["Count"]), "whitelisted": int(reply["WL-Count"])}
    except (KeyError, ValueError, TypeError):
        return {"digest": digest, "error": "the server's answer cannot be read"}


if __name__ == "__main__":
    sys.setrecursionlimit(20_000)
    serve(sys.stdin.buffer, sys.stdout.buffer)
