"""What FoundationDB promises, as far as Mailward builds on it. Holds the double to it, and a cluster too.

Written from FoundationDB's documentation (API reference, developer guide, known limitations, error codes). A test
file subclasses this and gives a ``ground`` fixture.
"""

import pytest

from store.kv.foundationdb_binding import Transaction, code_of
from tests.support.foundationdb import Ground


def ends_with(ground: Ground, transaction: Transaction) -> int:
    """0, or the code of the error that its commit ends with."""
    try:
        transaction.commit().wait()
    except ground.binding.FDBError as error:
        return code_of(error)
    return 0


def put(ground: Ground, **rows: bytes) -> None:
    transaction = ground.database.create_transaction()
    for name, value in rows.items():
        transaction.set(ground.space + name.encode(), value)
    assert ends_with(ground, transaction) == 0


def value(ground: Ground, name: str) -> bytes | None:
    return ground.database.create_transaction().get(ground.space + name.encode()).value


class FoundationRules:
    """The rules, one a test."""

    def test_what_was_committed_is_read_by_whoever_begins_afterwards(self, ground: Ground) -> None:
        put(ground, a=b"1")
        assert value(ground, "a") == b"1"
        assert value(ground, "b") is None

    def test_a_transaction_reads_one_version_and_its_own_writes(self, ground: Ground) -> None:
        put(ground, a=b"1", b=b"1", c=b"1")
        transaction = ground.database.create_transaction()
        transaction.get_read_version().wait()
        put(ground, a=b"2", d=b"2")
        transaction.set(ground.space + b"e", b"mine")
        transaction.clear(ground.space + b"c")
        found = transaction.get_range(ground.space, ground.space + b"\xff").to_list()
        assert [(pair.key[len(ground.space) :], pair.value) for pair in found] == [
            (b"a", b"1"),
            (b"b", b"1"),
            (b"e", b"mine"),
        ]
        assert transaction.get(ground.space + b"e").value == b"mine"
        assert transaction.snapshot.get(ground.space + b"c").value is None

    @pytest.mark.parametrize("reverse", [False, True])
    def test_a_range_is_ordered_and_stops_at_its_limit(self, ground: Ground, reverse: bool) -> None:
        put(ground, a=b"1", b=b"2", c=b"3", d=b"4")
        transaction = ground.database.create_transaction()
        found = transaction.get_range(ground.space + b"a", ground.space + b"d", 2, reverse).to_list()
        assert [pair.value for pair in found] == ([b"3", b"2"] if reverse else [b"1", b"2"])

    @pytest.mark.parametrize(
        ("how", "code"), [("get", 1020), ("snapshot get", 0), ("range", 1020), ("snapshot range", 0), ("key", 1020)]
    )
    def test_a_read_that_is_no_longer_true_is_a_conflict_unless_it_was_a_snapshots(
        self, ground: Ground, how: str, code: int
    ) -> None:
        transaction = ground.database.create_transaction()
        key, reads = ground.space + b"k", transaction.snapshot if how.startswith("snapshot") else transaction
        reads.get_read_version().wait()
        if how == "key":
            transaction.add_read_conflict_key(key)
        elif how.endswith("get"):
            assert reads.get(key).value is None
        else:
            assert reads.get_range(ground.space, ground.space + b"\xff").to_list() == []
        transaction.set(ground.space + b"z", b"")
        put(ground, k=b"theirs")
        assert ends_with(ground, transaction) == code

    def test_a_row_that_appears_in_a_range_is_a_conflict_and_one_beside_it_is_none(self, ground: Ground) -> None:
        put(ground, b=b"1")
        for name, code in (("bb", 1020), ("c", 0)):
            transaction = ground.database.create_transaction()
            list(transaction.get_range(ground.space + b"b", ground.space + b"c"))
            transaction.set(ground.space + b"z", name.encode())
            put(ground, **{name: b"new"})
            assert ends_with(ground, transaction) == code

    @pytest.mark.parametrize(("name", "code"), [("a", 1020), ("c", 0)])
    def test_a_range_cut_by_its_limit_is_read_as_far_as_it_was_given(
        self, ground: Ground, name: str, code: int
    ) -> None:
        put(ground, a=b"1", b=b"1", c=b"1")
        transaction = ground.database.create_transaction()
        assert len(transaction.get_range(ground.space, ground.space + b"\xff", 2).to_list()) == 2
        transaction.set(ground.space + b"z", b"")
        put(ground, **{name: b"2"})
        assert ends_with(ground, transaction) == code

    def test_a_cleared_range_is_a_conflict_for_whoever_read_in_it(self, ground: Ground) -> None:
        put(ground, a=b"1", b=b"1")
        transaction = ground.database.create_transaction()
        assert transaction.get(ground.space + b"b").value == b"1"
        transaction.set(ground.space + b"z", b"")
        other = ground.database.create_transaction()
        other.clear_range(ground.space, ground.space + b"c")
        assert ends_with(ground, other) == 0
        assert ends_with(ground, transaction) == 1020
        assert value(ground, "a") is None

    def test_blind_writes_and_read_only_transactions_are_never_in_conflict(self, ground: Ground) -> None:
        blind, reading = ground.database.create_transaction(), ground.database.create_transaction()
        assert reading.get(ground.space + b"k").value is None
        blind.get_read_version().wait()
        blind.set(ground.space + b"k", b"late")
        put(ground, k=b"early")
        assert ends_with(ground, reading) == 0
        assert ends_with(ground, blind) == 0
        assert value(ground, "k") == b"late"

    def test_what_a_transaction_wrote_before_it_read_it_is_no_read(self, ground: Ground) -> None:
        transaction = ground.database.create_transaction()
        transaction.get_read_version().wait()
        transaction.set(ground.space + b"k", b"mine")
        transaction.add_read_conflict_key(ground.space + b"k")
        put(ground, k=b"theirs")
        assert ends_with(ground, transaction) == 0

    def test_write_skew_cannot_happen(self, ground: Ground) -> None:
        one, two = ground.database.create_transaction(), ground.database.create_transaction()
        for transaction in (one, two):
            assert transaction.get_range(ground.space + b"d", ground.space + b"e").to_list() == []
        one.set(ground.space + b"d1", b"")
        two.set(ground.space + b"d2", b"")
        assert (ends_with(ground, one), ends_with(ground, two)) == (0, 1020)

    @pytest.mark.parametrize(
        ("key_octets", "value_octets", "code"),
        [(10_000, 100_000, 0), (10_001, 0, 2102), (10, 100_001, 2103)],
        ids=["both at their limit", "long key", "long value"],
    )
    def test_keys_and_values_have_a_longest_length_and_the_commit_says_so(
        self, ground: Ground, key_octets: int, value_octets: int, code: int
    ) -> None:
        transaction = ground.database.create_transaction()
        transaction.set(ground.space.ljust(key_octets, b"k"), bytes(value_octets))  # a setter raises nothing
        assert ends_with(ground, transaction) == code

    def test_a_key_that_is_too_long_is_not_there(self, ground: Ground) -> None:
        assert ground.database.create_transaction().get(ground.space.ljust(20_000, b"k")).value is None

    def test_a_transaction_has_a_largest_size(self, ground: Ground) -> None:
        for rows, code in ((90, 0), (101, 2101)):
            transaction = ground.database.create_transaction()
            for number in range(rows):
                transaction.set(ground.space + b"%03d" % number, bytes(99_000))
            assert ends_with(ground, transaction) == code
        assert value(ground, "090") is None

    def test_what_it_read_counts_to_its_size(self, ground: Ground) -> None:
        transaction = ground.database.create_transaction()
        for number in range(600):
            transaction.add_read_conflict_key(ground.space.ljust(9_000, b"k") + b"%03d" % number)
        transaction.set(ground.space + b"k", b"")
        assert ends_with(ground, transaction) == 2101

    def test_after_five_seconds_it_is_too_old(self, ground: Ground) -> None:
        put(ground, a=b"1")
        reading, writing = ground.database.create_transaction(), ground.database.create_transaction()
        for transaction in (reading, writing):
            assert transaction.get(ground.space + b"a").value == b"1"
        writing.set(ground.space + b"a", b"2")
        ground.pass_s(8)
        put(ground, b=b"1")  # a cluster notices the time by commits
        with pytest.raises(ground.binding.FDBError) as refused:
            _ = reading.get(ground.space + b"b").value
        assert code_of(refused.value) == 1007
        assert ends_with(ground, writing) in {1007, 1020}
        assert value(ground, "a") == b"1"

    def test_on_error_resets_for_another_try_and_refuses_what_trying_does_not_help(self, ground: Ground) -> None:
        transaction = ground.database.create_transaction()
        transaction.get_read_version().wait()
        put(ground, k=b"theirs")
        transaction.set(ground.space + b"gone", b"")
        transaction.on_error(1020).wait()
        assert transaction.get(ground.space + b"k").value == b"theirs"
        assert ends_with(ground, transaction) == 0
        assert value(ground, "gone") is None
        for code in (2101, 2102, 1031):
            with pytest.raises(ground.binding.FDBError) as refused:
                ground.database.create_transaction().on_error(code).wait()
            assert code_of(refused.value) == code

    @pytest.mark.parametrize("code", [1007, 1009, 1020, 1021, 1037])
    def test_these_are_worth_another_try(self, ground: Ground, code: int) -> None:
        ground.database.create_transaction().on_error(code).wait()

    def test_atomic_addition_is_little_endian_wraps_around_and_is_in_conflict_with_nobody(self, ground: Ground) -> None:
        put(ground, n=(2**64 - 1).to_bytes(8, "little"))
        one, two = ground.database.create_transaction(), ground.database.create_transaction()
        for transaction in (one, two):
            transaction.get_read_version().wait()
            transaction.add(ground.space + b"n", (2).to_bytes(8, "little"))
        assert (ends_with(ground, one), ends_with(ground, two)) == (0, 0)
        assert value(ground, "n") == (3).to_bytes(8, "little")

    def test_versionstamped_keys_are_in_the_order_of_their_commits(self, ground: Ground) -> None:
        for number in range(3):
            transaction = ground.database.create_transaction()
            key = ground.space + b"s" + bytes(10) + b"tail" + (len(ground.space) + 1).to_bytes(4, "little")
            transaction.set_versionstamped_key(key, b"%d" % number)
            assert ends_with(ground, transaction) == 0
        transaction = ground.database.create_transaction()
        now = transaction.get_read_version().wait().to_bytes(8, "big")
        found = transaction.get_range(ground.space + b"s", ground.space + b"t").to_list()
        assert [pair.value for pair in found] == [b"0", b"1", b"2"]
        assert all(pair.key.endswith(b"tail") and len(pair.key) == len(ground.space) + 15 for pair in found)
        assert all(pair.key[len(ground.space) + 1 :][:8] <= now for pair in found)

    def test_a_watch_is_ready_after_somebody_elses_change_and_not_before(self, ground: Ground) -> None:
        put(ground, k=b"1")
        transaction = ground.database.create_transaction()
        watch = transaction.watch(ground.space + b"k")
        assert ends_with(ground, transaction) == 0
        seen: list[int] = []
        watch.on_ready(lambda _: seen.append(1))
        put(ground, other=b"1")
        assert seen == []
        put(ground, k=b"2")
        watch.wait()

    def test_a_watch_does_not_miss_what_happened_between_its_reading_and_its_commit(self, ground: Ground) -> None:
        transaction = ground.database.create_transaction()
        watch = transaction.watch(ground.space + b"k")
        transaction.get_read_version().wait()
        put(ground, k=b"2")
        assert ends_with(ground, transaction) == 0
        watch.wait()

    def test_a_cancelled_watch_says_so(self, ground: Ground) -> None:
        transaction = ground.database.create_transaction()
        watch = transaction.watch(ground.space + b"k")
        assert ends_with(ground, transaction) == 0
        watch.cancel()
        with pytest.raises(ground.binding.FDBError) as refused:
            watch.wait()
        assert code_of(refused.value) == 1101
