"""What PostgreSQL's refusals mean: to be repeated, to be told, or to be mended by a person.

Told apart by SQLSTATE, which is the same in every language. Refused connections have none: there the English text
decides whether waiting can help, and a server that speaks another language is only waited for in vain.
"""

import psycopg

from store.kv.commit import OutcomeUnknown, Repeatable
from store.kv.contract import StoreError, StoreUnavailable

_CONFLICTS = {"40001", "40P01"}  # serialisation failure, deadlock
#: The server stops, starts, or ended an idle session; 25006 and 0A000: it is a standby now, and the primary elsewhere.
_GONE = {"57P01", "57P02", "57P03", "57P05", "25P03", "25006", "0A000"}
#: What waiting does not mend, and what a person can do about it.
_ADVICE = {
    "password authentication failed": "the password or the user in store.url is wrong",
    "no password supplied": "store.url names no password and the server wants one (also taken from PGPASSFILE)",
    "no pg_hba.conf entry": "the server's pg_hba.conf does not let this user in from here, or not without TLS",
    'role "': "the user in store.url does not exist on the server (createuser)",
    'database "': "the database in store.url does not exist on the server (createdb)",
    "certificate verify failed": "the server's certificate is not signed by the authority in sslrootcert",
    "does not match host name": "the server's certificate is for another name; check the host in store.url",
    "root certificate file": "sslmode asks for the authority's certificate: name its file as sslrootcert=PATH",
    "does not support SSL": "the server has no TLS (ssl = on), which sslmode asks for",
    "invalid connection option": "store.url has a parameter that libpq does not know",
    "invalid URI query parameter": "store.url has a parameter that libpq does not know",
    'invalid sslmode value: "': "store.url: sslmode is one of disable, prefer, require, verify-ca, verify-full",
}


def text_of(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def hopeless(error: psycopg.Error) -> StoreError | None:
    """What to tell a person when no waiting will open this connection; None when it may."""
    said = text_of(error)
    for sign, advice in _ADVICE.items():
        if sign in said:
            return StoreError(f"PostgreSQL cannot be used: {advice} ({said})")
    if not isinstance(error, psycopg.OperationalError):
        return StoreError(f"PostgreSQL cannot be used: {said}")
    return None


def is_gone(error: psycopg.Error) -> bool:
    """Whether the connection is of no more use: another one may be, at another host."""
    state = error.sqlstate
    if state is None:  # the server did not say it
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _GONE or state.startswith("08")


def refusal(error: psycopg.Error) -> StoreError:
    """What callers are told when PostgreSQL refuses, outside of COMMIT."""
    state = error.sqlstate or ""
    if state in _CONFLICTS:
        return Repeatable(f"other transactions were in the way for too long: {text_of(error)}")
    if is_gone(error):
        return Repeatable(f"PostgreSQL cannot be reached: {text_of(error)}")
    if state.startswith("XX"):
        return StoreError(f"PostgreSQL found its data damaged: {text_of(error)}")
    return StoreUnavailable(f"PostgreSQL cannot work now: {text_of(error)}")


def refusal_of_commit(error: psycopg.Error) -> StoreError:
    """The same for the batch that ends in COMMIT: when the server went silent, nobody knows."""
    state = error.sqlstate or ""
    if state == "40003" or (is_gone(error) and state not in {"25006", "0A000"}):
        return OutcomeUnknown(
            f"PostgreSQL went away during a commit, which may or may not have landed: {text_of(error)}"
        )
    return refusal(error)
