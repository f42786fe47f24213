"""Finding mails in what people keep them in."""

from pathlib import Path

import pytest

from store.mailfiles import NoMail, read_mails


def test_an_empty_file_is_no_mail(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mbox"
    empty.touch()
    with pytest.raises(NoMail):
        list(read_mails(empty))


def test_an_empty_file_among_mails_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.eml").touch()
    (tmp_path / "b.eml").write_bytes(b"Subject: hi\r\n\r\nhello\r\n")
    assert [Path(mail.path).name for mail in read_mails(tmp_path)] == ["b.eml"]
