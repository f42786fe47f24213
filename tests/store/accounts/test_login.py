"""Proving who one is: right and wrong passwords, guessers, and how long a proof is remembered."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from argon2 import PasswordHasher
from msgspec.structs import replace

from store.accounts import account as accounts
from store.accounts import login
from store.accounts.login import Logins, LoginSettings, TooManyFailures
from store.changes.engine import Store
from tests.support.mail_store import new_account

SETTINGS = LoginSettings(remember_s=60.0, failures=3, failure_window_s=100.0)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass(slots=True)
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Counts the passwords that were really hashed, and makes hashing cheap."""
    seen: list[str] = []
    real = login._matches

    def counted(stored: str, password: str) -> bool:
        seen.append(password)
        return real(stored, password)

    monkeypatch.setattr(login, "_hasher", CHEAP)
    monkeypatch.setattr(login, "_NOBODY", CHEAP.hash("nobody"))
    monkeypatch.setattr(login, "_matches", counted)
    return seen


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(store: Store, clock: Clock) -> Iterator[Logins]:
    built = Logins(store, SETTINGS, clock)
    yield built
    built.close()


async def ann(store: Store, password: str = "secret") -> None:
    await new_account(store, "ann@a.example", login.hash_password(password))


async def may(logins: Logins, password: str, name: str = "ann@a.example", client: str = "192.0.2.1") -> bool:
    return await logins.check(name, password, client) is not None


async def test_the_right_password_is_the_account(store: Store, logins: Logins) -> None:
    await ann(store)
    account = await logins.check("Ann@A.example", "secret", "192.0.2.1")
    assert account is not None
    assert account.address == "ann@a.example"


@pytest.mark.parametrize("password", ["", "Secret", "secret ", "secret\0", "sécret"])
async def test_a_wrong_password_is_nobody(store: Store, logins: Logins, password: str) -> None:
    await ann(store)
    assert not await may(logins, password)


async def test_an_unknown_login_costs_as_much_as_a_wrong_password(
    store: Store, logins: Logins, hashed: list[str]
) -> None:
    await ann(store)
    assert not await may(logins, "secret", "bob@a.example")
    assert not await may(logins, "secret", "ann+detail@a.example")
    assert hashed == ["secret", "secret"]


@pytest.mark.parametrize("stored", ["", "no hash at all", "$argon2id$v=19$m=8,t=1,p=1$broken"])
async def test_an_account_without_a_usable_password_cannot_sign_in(store: Store, logins: Logins, stored: str) -> None:
    await new_account(store, "ann@a.example", stored)
    assert not await may(logins, "")
    assert not await may(logins, "nobody")


async def test_an_alias_is_a_login(store: Store, logins: Logins) -> None:
    secret = login.hash_password("secret")
    await store.write(lambda txn: accounts.create(txn, "ann@a.example", "Ann", secret, 1, aliases=("a@a.example",)))
    assert await may(logins, "secret", "A@a.example")


async def test_a_proof_is_remembered_for_a_while(store: Store, logins: Logins, clock: Clock, hashed: list[str]) -> None:
    await ann(store)
    assert [await may(logins, "secret") for _ in range(3)] == [True] * 3
    clock.now += SETTINGS.remember_s - 1
    assert await may(logins, "secret")
    assert len(hashed) == 1
    clock.now += 1
    assert await may(logins, "secret")
    assert len(hashed) == 2


async def test_a_remembered_proof_is_of_one_login_and_one_password(store: Store, logins: Logins) -> None:
    await ann(store)
    await new_account(store, "bob@a.example", login.hash_password("other"))
    assert await may(logins, "secret")
    assert not await may(logins, "secret", "bob@a.example")
    assert not await may(logins, "wrong")


async def test_a_changed_password_forgets_the_proof(store: Store, logins: Logins) -> None:
    await ann(store)
    assert await may(logins, "secret")
    account = await logins.check("ann@a.example", "secret", "192.0.2.1")
    assert account is not None
    changed = replace(account, password_hash=login.hash_password("new"))
    await store.write(lambda txn: accounts.save(txn, changed))
    assert not await may(logins, "secret")
    assert await may(logins, "new")


async def test_a_guesser_must_wait_and_others_need_not(store: Store, logins: Logins, clock: Clock) -> None:
    await ann(store)
    for _ in range(SETTINGS.failures):
        assert not await may(logins, "guess")
    with pytest.raises(TooManyFailures):
        await may(logins, "secret")
    assert await may(logins, "secret", client="192.0.2.2")
    clock.now += SETTINGS.failure_window_s
    assert await may(logins, "secret")


async def test_only_failures_count(store: Store, logins: Logins) -> None:
    await ann(store)
    for _ in range(SETTINGS.failures - 1):
        assert not await may(logins, "guess")
    assert [await may(logins, "secret") for _ in range(10)] == [True] * 10


async def test_what_is_remembered_is_bounded(store: Store, clock: Clock) -> None:
    logins = Logins(store, LoginSettings(remembered=5), clock)
    await ann(store)
    for number in range(20):
        await may(logins, "guess", client=f"192.0.2.{number}")
    assert len(logins._failures) == 5
    logins.close()


async def test_a_line_too_long_is_told_to_come_back(store: Store, clock: Clock) -> None:
    logins = Logins(store, LoginSettings(waiting=2), clock)
    await ann(store)
    results = await asyncio.gather(*(may(logins, "secret", client=f"c{n}") for n in range(6)), return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == ["TooManyFailures"] * 4 + ["bool"] * 2
    assert await may(logins, "secret")
    logins.close()


def test_the_real_hash_is_argon2id() -> None:
    assert PasswordHasher().hash("x").startswith("$argon2id$")
