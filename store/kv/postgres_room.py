"""How much disk the table takes in PostgreSQL, and VACUUM."""

import time

import psycopg

from store.kv.postgres_errors import refusal
from store.kv.postgres_link import READ, Link
from store.kv.room import Room

_WAIT_S = 10.0
_ADVICE = "PostgreSQL's autovacuum lets the room be used again; `--rewrite` (VACUUM FULL) gives it back to the disk"
_SIZE = "SELECT pg_total_relation_size('kv')"
_DEAD = (
    "SELECT coalesce(sum(n_dead_tup::float / greatest(n_live_tup + n_dead_tup, 1)), 0)"
    " FROM pg_stat_user_tables WHERE relid = 'kv'::regclass"
)


def room(url: str) -> Room:
    """Raises StoreUnavailable."""
    link = Link(url, READ)
    try:
        connection = link.connect(time.monotonic() + _WAIT_S)
        size, dead = connection.execute(_SIZE).fetchone(), connection.execute(_DEAD).fetchone()
        octets = int(size[0]) if size else 0
        return Room(octets, int(octets * (dead[0] if dead else 0)), _ADVICE)
    except psycopg.Error as error:
        raise refusal(error) from error
    finally:
        link.close()


def vacuum(url: str, *, rewrite: bool) -> int:
    """Octets given back to the disk. Raises StoreUnavailable."""
    before = room(url).octets
    link = Link(url, READ)
    try:
        connection = link.connect(time.monotonic() + _WAIT_S)
        connection.execute("SET statement_timeout = 0")
        connection.execute("VACUUM (FULL) kv" if rewrite else "VACUUM kv")
    except psycopg.Error as error:
        raise refusal(error) from error
    finally:
        link.close()
    return max(0, before - room(url).octets)
