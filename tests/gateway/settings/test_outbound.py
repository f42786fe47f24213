"""What the configuration of the way out may say, and the sentence for what it may not."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.config import ConfigError, parse
from gateway.main.command import main
from gateway.main.submitting import signers_of, smarthost_of

DOMAIN = {"domain": {"example.com": {}}}


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"outbound": {"tls": "maybe"}}, "outbound.tls: write"),
        ({"outbound": {"relay": "nowhere"}}, "'nowhere': write an address as"),
        ({"outbound": {"user": "a"}}, "outbound: user and password_file belong together"),
        ({"outbound": {"user": "a", "password_file": "p"}}, "outbound.user: a password goes only over checked TLS"),
        ({"outbound": {"hold": 0.9, "refuse": 0.5}}, "outbound: hold and refuse must be probabilities"),
        ({"outbound": {"relay_s": 0.0}}, "outbound.relay_s: seconds"),
        ({"outbound": {"per_hour": -1}}, "outbound.per_hour, per_day and suspend_after"),
        ({"outbound": {"return_path_days": 0}}, "outbound.return_path_days: from 1 to 90"),
        ({"outbound": {"relai": "x"}}, "unknown key outbound.relai; did you mean outbound.relay?"),
        ({"dlp": [{"name": "A b", "then": "hold", "find": "card"}]}, "dlp: 'A b': a name of its own"),
        ({"dlp": [{"name": "a", "then": "hold", "find": "card"}] * 2}, "dlp: 'a': a name of its own"),
        ({"dlp": [{"name": "a", "then": "hold"}]}, "dlp: a: write one of find, words and pattern"),
        ({"dlp": [{"name": "a", "then": "hold", "find": "card", "words": ["xx"]}]}, "dlp: a: write one of"),
        ({"dlp": [{"name": "a", "then": "hold", "words": ["x"]}]}, "dlp: a: at_least is 1 or more, and words have"),
        (
            {"dlp": [{"name": "a", "then": "hold", "pattern": "(a+)+"}]},
            "dlp: a: the pattern repeats something that repeats",
        ),
        ({"dlp": [{"name": "a", "then": "burn", "find": "card"}]}, "Invalid enum value 'burn'"),
        ({"domain": {"a.example": {"return_path": "yes"}}}, 'domain."a.example".return_path: write'),
        ({"domain": {"a.example": {"dkim": [{"selector": "a b", "key": "k"}]}}}, 'domain."a.example".dkim: a selector'),
        ({"listen": {"submissions": ["127.0.0.1:0"]}}, "listen.submissions needs tls.certificate"),
        ({"listen": {"submission": ["x"]}}, "'x': write an address as"),
    ],
)
def test_what_may_not_be_said(raw: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        parse(DOMAIN | raw, tmp_path)
    assert str(error.value).startswith(sentence)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    keys = {"a.example": {"dkim": [{"selector": "s", "key": "gone.pem"}]}}
    with pytest.raises(ConfigError, match=r"dkim: .*gone\.pem: cannot be read"):
        signers_of(parse({"domain": keys}, tmp_path))
    (tmp_path / "gone.pem").write_text("no key")
    with pytest.raises(ConfigError, match="no private key"):
        signers_of(parse({"domain": keys}, tmp_path))
    relay = {"relay": "a.example:25", "tls": "starttls", "user": "u", "password_file": "word"}
    with pytest.raises(ConfigError, match=r"outbound\.password_file"):
        smarthost_of(parse(DOMAIN | {"outbound": relay}, tmp_path))
    (tmp_path / "word").write_text("secret\n")
    host = smarthost_of(parse(DOMAIN | {"outbound": relay}, tmp_path))
    assert host is not None and (host.password, host.name) == ("secret", "a.example:25")
    assert "secret" not in repr(host)


@pytest.mark.parametrize("option", [[], ["--ed25519"]], ids=["rsa", "ed25519"])
def test_a_new_key_is_private_published_and_never_written_over(tmp_path: Path, option: list[str]) -> None:
    file = tmp_path / "key.pem"
    command = ["dkim", "new", str(file), "--domain", "example.com", "--selector", "m1", *option]
    made = CliRunner().invoke(main, command)
    assert made.exit_code == 0 and made.output.startswith('m1._domainkey.example.com. IN TXT ( "v=DKIM1; k=')
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2 and "name a file that is not there yet" in again.output
    assert file.read_bytes() == before
    (tmp_path / "mailward.toml").write_text('[domain."example.com"]\ndkim = [{ selector = "m1", key = "key.pem" }]\n')
    shown = CliRunner().invoke(main, ["dkim", "show", "--config", str(tmp_path / "mailward.toml")])
    assert shown.output == made.output
    assert all(len(piece) <= 255 for piece in shown.output.split('"'))
