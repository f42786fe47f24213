"""DNS down, Pyzor down, model missing or damaged, disk full, store locked: each has its one defined outcome."""

import json
import shutil
import socket
from pathlib import Path

import apsw
import pytest

from models.artefact import DEFAULT
from tests.support.gateway import CONFIG, Gateway, mailward, serving
from tests.support.letters import letter

DEAD = "127.0.0.1:9"  # the discard port: nothing answers there


def send(gateway: Gateway, octets: bytes = b"") -> tuple[int, bytes]:
    with gateway.smtp() as client:
        client.ehlo("proxy.example")
        client.docmd("XCLIENT", "ADDR=198.51.100.25 HELO=mx.partner.example")
        client.ehlo("mx.partner.example")
        client.mail("bob@partner.example")
        code, text = client.rcpt("ana@example.com")
        return client.data(octets or letter("A fault").as_bytes()) if code == 250 else (code, text)


def test_without_dns_a_mail_is_judged_and_nothing_is_called_a_failure(tmp_path: Path) -> None:
    with serving(tmp_path, DEAD) as gateway:
        gateway.add_user("ana@example.com")
        code, text = send(gateway)
        assert code == 250
        told = json.loads(gateway.command("explain", text.decode().split()[-1], "--json").stdout)
        assert told["auth"]["spf_mailfrom"]["result"] == "temperror"
        assert told["auth"]["dmarc"]["result"] == "temperror"
        assert not any(r["signal"].endswith(".fail") for r in told["reasons"])
        assert told["action"] == "accept"


def test_without_pyzor_a_mail_is_judged_and_says_so(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns, more=f'[pyzor]\nservers = ["{DEAD}"]\ntimeout_s = 0.5') as gateway:
        gateway.add_user("ana@example.com")
        code, text = send(gateway)
        assert code == 250
        told = json.loads(gateway.command("explain", text.decode().split()[-1], "--json").stdout)
        assert "pyzor.unreachable" in {r["signal"] for r in told["reasons"]}


def test_a_missing_model_refuses_to_start_and_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "mailward.toml"
    config.write_text(CONFIG.format(workers=1, dns=DEAD, limits="", more='[model]\ndirectory = "nowhere"'))
    done = mailward("serve", "--config", str(config), check=False)
    assert done.returncode == 2
    assert "nowhere" in done.stderr and "mailward train" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["bayes.npz", "lm.onnx", "tokenizer.json"])
def test_a_damaged_model_refuses_to_start_and_names_the_file(tmp_path: Path, name: str) -> None:
    shutil.copytree(DEFAULT, tmp_path / "model")
    with (tmp_path / "model" / name).open("r+b") as file:
        file.seek(200)
        file.write(b"damage")
    config = tmp_path / "mailward.toml"
    config.write_text(CONFIG.format(workers=1, dns=DEAD, limits="", more='[model]\ndirectory = "model"'))
    done = mailward("serve", "--config", str(config), check=False)
    assert done.returncode == 2
    assert name in done.stderr and "Traceback" not in done.stderr


def test_a_locked_store_answers_4xx_and_takes_mail_again_afterwards(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns) as gateway:
        gateway.add_user("ana@example.com")
        locker = apsw.Connection(str(tmp_path / "data" / "store.sqlite"))
        locker.execute("BEGIN IMMEDIATE")
        try:
            code, _ = send(gateway)
            assert code == 451
        finally:
            locker.execute("ROLLBACK")
            locker.close()
        assert send(gateway)[0] == 250
        assert "sound" in gateway.command("fsck").stdout


def test_a_full_disk_answers_4xx_loses_nothing_and_takes_mail_again_with_room(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns, more="[store]\nmax_octets = 4000000") as gateway:
        gateway.add_user("ana@example.com")
        accepted: list[str] = []
        code, text = 250, b""
        for number in range(200):
            noise = "".join(f"{(number * 7919 + i * 104729) % 1_000_003:x} " for i in range(8_000))
            code, text = send(gateway, letter(f"filler {number}", noise).as_bytes())
            if code != 250:
                break
            accepted.append(text.decode().split()[-1])
        assert code == 451, text
        for reception in (accepted[0], accepted[-1]):
            assert json.loads(gateway.command("explain", reception, "--json").stdout)["id"] == reception
        config = tmp_path / "mailward.toml"
        config.write_text(config.read_text().replace("max_octets = 4000000", "max_octets = 0"))
    with serving(tmp_path, dns) as gateway:
        assert send(gateway)[0] == 250
        assert "sound" in gateway.command("fsck").stdout


def test_a_taken_port_refuses_to_start_and_says_which(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        text = CONFIG.format(workers=1, dns=DEAD, limits="", more="")
        config = tmp_path / "mailward.toml"
        config.write_text(text.replace('smtp = ["127.0.0.1:0"]', f'smtp = ["127.0.0.1:{taken}"]'))
        done = mailward("serve", "--config", str(config), check=False)
    assert done.returncode == 3
    assert str(taken) in done.stderr and "Traceback" not in done.stderr
