"""Sessions and one-time links. The browser holds the secret, the store only its hash."""

import hashlib
import hmac
import secrets

import msgspec
from msgspec.structs import replace

from store.accounts import account as accounts
from store.accounts.account import Account
from store.changes.engine import AccountId, Store, StoreTxn, StoreView
from store.schema import expiring, keys
from store.schema.rows import Reader, pack

REFRESH_MS = 60_000  #: a session in use is written at most this often


class NoSuchAccount(Exception):
    """A link was asked for an account that does not exist."""


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One signed-in browser, or (``is_link``) the promise of one."""

    account: AccountId
    created_ms: int
    used_ms: int
    expires_ms: int
    proof: bytes  #: of the password at sign-in: a changed password ends every session
    is_link: bool = False


read_session = Reader(Session)


def csrf_of(secret: str) -> str:
    """The token forms must carry: derived from the cookie, so it needs no place of its own."""
    return hmac.new(secret.encode(), b"mailward console form", hashlib.sha256).hexdigest()


def new_secret() -> str:
    return secrets.token_urlsafe(32)


async def start(store: Store, account: Account, now_ms: int, life_ms: int) -> str:
    """Sign an account in; the secret for its cookie."""
    secret = new_secret()

    session = _session(account, now_ms, life_ms, is_link=False)
    await store.write(lambda txn: _keep(txn, secret, session))
    return secret


async def find(store: Store, secret: str, now_ms: int, idle_ms: int) -> Account | None:
    """Whose session this is, or None when it is unknown, over, idle too long, or the password changed."""

    def look(view: StoreView) -> tuple[Session, Account] | None:
        row = expiring.get(view.kv, _key(secret), now_ms)
        return _valid(view, read_session(row), now_ms, idle_ms) if row is not None else None

    found = await store.read(look)
    if found is None or found[0].is_link:
        return None
    session, account = found
    if now_ms - session.used_ms >= REFRESH_MS:
        await store.write(lambda txn: _refresh(txn, secret, now_ms))
    return account


async def end(store: Store, secret: str) -> None:
    await store.write(lambda txn: expiring.delete(txn.kv, _key(secret)))


async def issue_link(store: Store, login: str, now_ms: int, life_ms: int) -> str:
    """A secret that signs this account in once. Raises NoSuchAccount."""
    secret = new_secret()
    account = await store.read(lambda view: accounts.find(view, login))
    if account is None:
        raise NoSuchAccount(login)
    session = _session(account, now_ms, life_ms, is_link=True)
    await store.write(lambda txn: _keep(txn, secret, session))
    return secret


async def redeem_link(store: Store, secret: str, now_ms: int) -> Account | None:
    """The account of a link, which is used up by this; None when it is unknown, over or used."""

    def body(txn: StoreTxn) -> Account | None:
        row = expiring.get(txn.kv, _key(secret), now_ms)
        if row is None:
            return None
        session = read_session(row)
        if not session.is_link:
            return None
        expiring.delete(txn.kv, _key(secret))
        valid = _valid(txn, session, now_ms, idle_ms=session.expires_ms)
        return valid[1] if valid is not None else None

    return await store.write(body)


def _session(account: Account, now_ms: int, life_ms: int, *, is_link: bool) -> Session:
    return Session(account.id, now_ms, now_ms, now_ms + life_ms, _proof(account), is_link)


def _valid(view: StoreView | StoreTxn, session: Session, now_ms: int, idle_ms: int) -> tuple[Session, Account] | None:
    if now_ms - session.used_ms >= idle_ms:
        return None
    account = accounts.get(view.kv, session.account)
    if account is None or not hmac.compare_digest(_proof(account), session.proof):
        return None
    return session, account


def _refresh(txn: StoreTxn, secret: str, now_ms: int) -> None:
    row = expiring.get(txn.kv, _key(secret), now_ms)
    if row is not None:
        _keep(txn, secret, replace(read_session(row), used_ms=now_ms))


def _keep(txn: StoreTxn, secret: str, session: Session) -> None:
    expiring.put_until(txn.kv, _key(secret), pack(session), session.expires_ms)


def _proof(account: Account) -> bytes:
    return hashlib.sha256(b"session" + account.password_hash.encode()).digest()[:16]


def _key(secret: str) -> bytes:
    return keys.SESSION + hashlib.sha256(secret.encode("utf-8", "replace")).digest()
