"""The official binding has the surface we use, the double has the same, and what is wrong here is said."""

import ast
import importlib.util
import inspect
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from store.kv import foundationdb_binding as binding
from store.kv.contract import StoreError
from store.kv.foundationdb_binding import Place, load, place_of
from store.kv.opening import check_url, open_kv, path_of
from tests.support import fdb_cluster, fdb_double
from tests.support.foundationdb import CLUSTER_FILE

#: Our protocol, the binding's classes that keep it together, and the double's.
SURFACE: list[tuple[type[Any], tuple[str, ...], type[Any]]] = [
    (binding.Reads, ("TransactionRead",), fdb_double._Reads),
    (binding.Transaction, ("Transaction", "TransactionRead"), fdb_double.Transaction),
    (binding.Database, ("Database",), fdb_double.Database),
    (binding.Range, ("FDBRange",), fdb_double.FDBRange),
    (binding.Done, ("FutureVoid", "Future"), fdb_cluster.Future),
    (binding.Number, ("FutureInt64", "Future"), fdb_cluster.Future),
    (binding.Watch, ("FutureVoid", "Future"), fdb_cluster.Future),
]


def _source() -> Path:
    """The binding's code as installed; to import it would need the client library."""
    spec = importlib.util.find_spec("fdb")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@cache
def _classes() -> dict[str, dict[str, list[str]]]:
    """Parameters by class and method."""
    tree = ast.parse((_source() / "impl.py").read_text())
    return {
        node.name: {
            each.name: [argument.arg for argument in each.args.args][1:]
            for each in node.body
            if isinstance(each, ast.FunctionDef)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _methods(protocol: type[Any]) -> dict[str, list[str]]:
    return {
        name: [p for p in inspect.signature(member).parameters if p != "self"]
        for base in protocol.__mro__
        for name, member in vars(base).items()
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__iter__")
    }


@pytest.mark.parametrize(("protocol", "classes", "double"), SURFACE, ids=lambda value: getattr(value, "__name__", ""))
def test_the_binding_and_the_double_have_the_surface_we_use(
    protocol: type[Any], classes: tuple[str, ...], double: type[Any]
) -> None:
    known: dict[str, list[str]] = {}
    for name in reversed(classes):
        known |= _classes()[name]
    atomic = {"add": ["key", "param"], "set_versionstamped_key": ["key", "param"]}  # made from a table
    for method, parameters in _methods(protocol).items():
        real = atomic.get(method) or known[method]
        assert real[: len(parameters)] == parameters, method
        ours = [p for p in inspect.signature(getattr(double, method)).parameters if p != "self"]
        assert ours[: len(parameters)] == parameters, method


def test_the_bindings_tables_have_what_we_ask_for() -> None:
    import fdb.fdboptions as options

    assert {"add", "set_versionstamped_key"} <= set(options.MutationType)
    assert options.TransactionOption["timeout"][2] is int
    assert options.StreamingMode["want_all"][0] == fdb_double.Double().StreamingMode.want_all
    # Names that the module has after api_version.
    names = (_source() / "__init__.py").read_text()
    assert all(f'"{name}"' in names for name in ("FDBError", "StreamingMode", "open"))
    assert _classes()["Value"]  # .value comes from its base class
    assert "value" in _classes()["LazyFuture"]


def test_the_key_spaces_are_the_tuple_layers() -> None:
    import fdb.tuple

    place = Place(None, "mail-2.example")
    for number, space in enumerate((place.rows, place.marks, place.hints)):
        assert space == fdb.tuple.pack(("mail-2.example", number))


def test_no_store_lies_in_another_ones_key_space() -> None:
    places = [Place(None, name) for name in ("mail", "mail2", "mai", "mail.")]
    spaces = sorted(space for place in places for space in (place.rows, place.marks, place.hints))
    assert all(not after.startswith(before) for before, after in pairwise(spaces))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("foundationdb:", Place(None, "mailward")),
        ("foundationdb:/etc/foundationdb/fdb.cluster", Place("/etc/foundationdb/fdb.cluster", "mailward")),
        ("foundationdb:/c?prefix=other-1.x_Y", Place("/c", "other-1.x_Y")),
        ("foundationdb:?prefix=p", Place(None, "p")),
    ],
)
def test_a_url_names_a_cluster_and_a_part_of_it(url: str, place: Place) -> None:
    assert place_of(url) == place
    assert check_url(url) == "foundationdb"
    assert path_of(url) is None


@pytest.mark.parametrize(
    "url",
    ["foundationdb", "foundationdb:relative/file", "foundationdb:/c?prefx=a", "foundationdb:/c?prefix=",
     "foundationdb:/c?prefix=a/b", "foundationdb:/c?prefix=" + "a" * 65, "foundationdb:?prefix=%00", "fdb:/c"],
)  # fmt: skip
def test_a_malformed_url_is_refused_with_the_form_that_is_not(url: str) -> None:
    with pytest.raises(ValueError, match="foundationdb:"):
        check_url(url)


@pytest.mark.skipif(bool(CLUSTER_FILE), reason="the library is there")
async def test_without_the_client_library_the_remedy_is_named() -> None:
    with pytest.raises(StoreError, match="foundationdb-clients"):
        await open_kv("foundationdb:/etc/foundationdb/fdb.cluster")


def test_without_the_extra_it_is_named() -> None:
    code = (
        "import sys, asyncio; sys.modules['fdb'] = None\n"
        "from store.kv.opening import open_kv\n"
        "from store.kv.contract import StoreError\n"
        "try: asyncio.run(open_kv('foundationdb:'))\nexcept StoreError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "mailward[foundationdb]" in done.stdout, done.stderr


def test_a_client_does_not_follow_its_process_through_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "_loaded_in", os.getpid() + 1)
    with pytest.raises(StoreError, match="forked"):
        load()
