"""How connections end, and TLS, once more on the event loop that a worker runs on."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trustme

from tests.protocols.smtp import test_leaving as leaving
from tests.protocols.smtp import test_limits as limits
from tests.protocols.smtp import test_tls as tls
from tests.protocols.smtp.house import House, house

uvloop = pytest.importorskip("uvloop")

ALONE: list[Callable[[], Awaitable[None]]] = [
    leaving.test_a_client_that_stops_talking_after_the_dot_is_still_answered,
    leaving.test_what_was_pipelined_before_the_end_is_all_answered,
    leaving.test_a_client_that_is_gone_stops_the_judging_of_its_mail,
    leaving.test_a_client_that_leaves_before_the_greeting_costs_nothing,
    leaving.test_the_end_comes_without_a_reply_that_nobody_asked_for,
    leaving.test_commands_behind_quit_are_not_heard,
    leaving.test_closing_lets_a_mail_in_flight_finish,
    leaving.test_closing_waits_no_longer_than_the_grace,
    limits.test_a_mail_over_the_limit_is_refused_and_the_next_one_taken,
    limits.test_a_mail_that_takes_too_long_ends_the_connection,
    limits.test_an_idle_client_is_hung_up_on,
]

UNDER_TLS: list[Callable[[House, ssl.SSLContext], Awaitable[None]]] = [
    tls.test_a_mail_under_tls_says_so,
    tls.test_what_was_said_before_is_forgotten,
    tls.test_commands_injected_behind_a_mail_do_not_count_either,
    tls.test_tls_within_tls_is_refused,
    tls.test_commands_behind_quit_are_not_heard_under_tls,
]


async def at_every_moment() -> None:
    for sent in leaving.MOMENTS.values():
        for how in ("half_close", "reset", "close"):
            await leaving.test_a_client_may_leave_at_any_moment(sent, how)


@pytest.mark.parametrize("scenario", [*ALONE, at_every_moment], ids=lambda scenario: scenario.__name__)
def test_connections(scenario: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_awaited(scenario()))


@pytest.mark.parametrize("scenario", UNDER_TLS, ids=lambda scenario: scenario.__name__)
def test_tls(scenario: Callable[[House, ssl.SSLContext], Awaitable[None]]) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    ours, theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("mx.example.com").configure_cert(ours)
    authority.configure_trust(theirs)

    async def scene() -> None:
        async with house(tls=ours) as home:
            await scenario(home, theirs)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


async def _awaited(scenario: Awaitable[None]) -> None:
    await scenario
