"""Pyzor by hand, against a real server: asked, told, noted; and what is said when it cannot be."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.main.test_people import Shell
from tests.support.facts import mail
from tests.support.pyzord import free_port, pyzord

BODY = "\n".join(f"Line number {word} of a mail that many people get these days." for word in ("one", "two", "three"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pyzord(tmp_path_factory.mktemp("pyzord")) as address:
        yield address


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mail.eml"
    path.write_text(mail(BODY))
    return path


def test_reports_are_counted_and_stand_in_the_trail(tmp_path: Path, server: str, file: Path) -> None:
    shell = Shell(tmp_path, f'[pyzor]\nservers = ["{server}"]\n')
    assert "reported as spam" in shell.done(f"pyzor report {file}")
    assert "reported as wanted" in shell.done(f"pyzor whitelist {file}")
    row = json.loads(shell.done(f"pyzor check {file} --json"))
    assert (row["spam"], row["wanted"], row["error"]) == (1, 1, None)
    trail = shell.done("audit list")
    assert "pyzor.report" in trail and "pyzor.whitelist" in trail and row["digest"] in trail


def test_a_server_that_is_down_is_said(tmp_path: Path, file: Path) -> None:
    shell = Shell(tmp_path, f'[pyzor]\nservers = ["127.0.0.1:{free_port()}"]\ntimeout_s = 0.3\n')
    assert str(file) in shell.refused(f"pyzor check {file}")
    assert "pyzor.report" not in shell.done("audit list")


def test_without_a_server_nobody_is_asked(tmp_path: Path, file: Path) -> None:
    assert "name a server" in Shell(tmp_path).refused(f"pyzor report {file}", 2)


def test_a_file_that_is_not_there_is_said(tmp_path: Path, server: str) -> None:
    shell = Shell(tmp_path, f'[pyzor]\nservers = ["{server}"]\n')
    assert "No such file" in shell.refused(f"pyzor check {tmp_path}/none.eml")
