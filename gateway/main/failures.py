"""Failures that an operator can mend, told in one sentence instead of a traceback."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.config import ConfigError
from gateway.net.tls import TlsUnusable
from models.errors import ArtefactError
from store.kv.contract import StoreError
from store.mailfiles import NoMail


@contextmanager
def told_plainly() -> Iterator[None]:
    """Print what can be mended and exit with 2; with 3 when something cannot be reached.

    A reader that had enough (``mailward quarantine list | head -1``) ends the command without a word, as its SIGPIPE
    would end a program that is not Python.
    """
    try:
        yield
    except (ConfigError, ArtefactError, TlsUnusable, NoMail) as error:
        print(f"mailward: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # What is still buffered would fail once more when the interpreter flushes on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (StoreError, OSError) as error:
        print(f"mailward: {error}", file=sys.stderr)
        sys.exit(3)
