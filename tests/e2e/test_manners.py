"""How the program behaves at the end of a pipe and when it is told to stop."""

import os
import signal
import subprocess
import sys
from pathlib import Path

MAILWARD = (sys.executable, "-m", "gateway.main")


def test_a_demo_that_is_told_to_stop_takes_its_temporary_folder_along(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*MAILWARD, "demo", "--no-browser"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None and demo.stderr is not None
        while "sending" not in demo.stdout.readline():
            assert demo.poll() is None
        assert len(list(tmp_path.iterdir())) == 1

        demo.send_signal(signal.SIGTERM)
        demo.stdout.read()
        complaints = demo.stderr.read()

    assert demo.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in complaints
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_had_enough_ends_a_command_without_a_word(tmp_path: Path) -> None:
    mail = tmp_path / "note.eml"
    mail.write_bytes(b"From: Ana <ana@example.test>\r\nSubject: hi\r\n\r\nA word or two.\r\n")
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [*MAILWARD, "scan", "--json", str(mail)], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)

    assert done.stderr == b""
    assert done.returncode == 128 + signal.SIGPIPE


def test_a_client_address_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    done = subprocess.run(
        [*MAILWARD, "scan", "--ip", "nope", str(tmp_path / "note.eml")], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"mailward: --ip: 'nope' is no IP address\n"
