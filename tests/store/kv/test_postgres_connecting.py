"""Reaching PostgreSQL over TCP and TLS, and what is said when it cannot be used."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from gateway.config import load
from gateway.main.storage import open_store
from store.changes.announce import Announcer
from store.kv import postgres_link
from store.kv.contract import StoreError, StoreUnavailable
from store.kv.postgres import PostgresKeyValueStore, PostgresSettings
from store.kv.postgres_errors import hopeless, is_gone, refusal, refusal_of_commit
from store.kv.postgres_hints import PostgresHints
from store.kv.postgres_link import where_of
from tests.support.postgres import PASSWORD, Server, TlsServer, running_with_tls


@pytest.fixture(scope="module")
def tls(postgres_server: Server) -> Iterator[TlsServer]:
    """The shared server's presence only says that there can be one."""
    with running_with_tls() as server:
        yield server


async def _is_encrypted(kv: PostgresKeyValueStore) -> bool:
    link = kv._links[0]
    return await kv.write(lambda txn: link.ask("SELECT ssl FROM pg_stat_ssl WHERE pid=pg_backend_pid()", ())) == [
        (True,)
    ]


async def test_the_store_and_its_hints_go_over_tls_to_a_server_that_is_who_it_says(tls: TlsServer) -> None:
    kv = await PostgresKeyValueStore.open(tls.url())
    await kv.write(lambda txn: txn.put(b"k", b"v"))
    assert await kv.read(lambda txn: txn.get(b"k")) == b"v"
    assert await _is_encrypted(kv)
    one, two = Announcer(PostgresHints(tls.url())), Announcer(PostgresHints(tls.url()))
    with one.subscribe(1) as first, two.subscribe(1) as second:
        for hub, listener in ((one, first), (two, second)):
            await hub.start()
            assert await listener.wait(10)
        one.announce([1])
        assert await second.wait(10)
    await one.close()
    await two.close()
    await kv.close()


_REFUSED = {
    "wrong password": ({"password": "wrong"}, "the password or the user in store.url is wrong"),
    "no password": ({"password": ""}, "store.url names no password"),
    "wrong database": ({"database": "nowhere"}, "the database in store.url does not exist"),
    "without TLS": ({"sslmode": "disable"}, "pg_hba.conf does not let this user in from here, or not without TLS"),
    "another name": ({"host": "127.0.0.1"}, "the server's certificate is for another name"),
    "no authority": ({"sslrootcert": "/nowhere.pem"}, "name its file as sslrootcert=PATH"),
    "a stranger's authority": ({"sslrootcert": "system"}, "certificate"),
    "no such option": ({"sslmood": "verify-full"}, "a parameter that libpq does not know"),
    "no such mode": ({"sslmode": "maybe"}, "sslmode is one of"),
}


@pytest.mark.parametrize(("wrong", "told"), _REFUSED.values(), ids=_REFUSED)
async def test_what_waiting_cannot_mend_is_told_at_once_and_says_what_to_do(
    tls: TlsServer, wrong: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    started = time.monotonic()
    with pytest.raises(StoreError, match=told) as refused:
        await PostgresKeyValueStore.open(tls.url(**wrong))  # type: ignore[arg-type]
    assert time.monotonic() - started < 10
    assert PASSWORD not in str(refused.value)


async def test_a_server_that_is_not_there_yet_is_waited_for(tls: TlsServer) -> None:
    away = tls.url().replace(f":{tls.server.port}/", ":1/")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await PostgresKeyValueStore.open(away, PostgresSettings(wait_s=0.5))
    assert 0.4 < time.monotonic() - started < 5


async def test_an_old_server_is_refused_by_its_version(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_link, "OLDEST_VERSION", 990_000)
    with pytest.raises(StoreError, match=r"this server is PostgreSQL \d+; Mailward needs 99 or newer"):
        await PostgresKeyValueStore.open(postgres_url)


@pytest.mark.parametrize(
    ("url", "attributes"),
    [
        ("postgresql://u@a/db", None),
        ("postgresql://u@a,b/db", "read-write"),
        ("postgresql://u@/db?host=/a,/b", "read-write"),
        ("postgresql://u@a,b/db?target_session_attrs=any", "any"),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_meant(url: str, attributes: str | None) -> None:
    assert psycopg.conninfo.conninfo_to_dict(where_of(url)).get("target_session_attrs") == attributes


@pytest.mark.parametrize(
    ("state", "gone", "unknown"),
    [
        ("57P01", True, True),
        ("08006", True, True),
        ("25006", True, False),
        ("0A000", True, False),
        ("40001", False, False),
        ("40003", False, True),
        ("53100", False, False),
        ("XX001", False, False),
    ],
)
def test_an_error_means_the_same_in_every_language(state: str, gone: bool, unknown: bool) -> None:
    error = psycopg.errors.lookup(state)("Verbindung beendet")
    assert is_gone(error) is gone
    assert type(refusal_of_commit(error)).__name__ == "OutcomeUnknown" or not unknown
    assert isinstance(refusal(error), StoreError)
    assert hopeless(psycopg.OperationalError("connection refused")) is None


async def test_a_server_started_with_a_wrong_password_says_so_in_one_sentence(tls: TlsServer, tmp_path: object) -> None:
    path = tmp_path / "mailward.toml"  # type: ignore[operator]
    path.write_text(f'[domain."example.com"]\n[store]\nurl = "{tls.url(password="wrong")}"\n')
    with pytest.raises(StoreError, match=r"^PostgreSQL cannot be used: the password or the user"):
        await open_store(load(path))
